// A CSMS on npm's ocpp-rpc in strict mode: any slip in a schema is refused and told.
// node rpc_csms.cjs PROTOCOL FIRMWARE_URL, with ocpp-rpc on NODE_PATH. JSON lines on stdout.
'use strict';
const { RPCServer, createRPCError } = require('ocpp-rpc');

const [protocol, firmware] = process.argv.slice(2);
// Its schemas of 2.1 (2.2.1) lack their ids and reject everything: there only the framing is strict.
const STRICT = ['ocpp1.6', 'ocpp2.0.1'];
const tell = (line) => console.log(JSON.stringify(line));
const now = () => new Date().toISOString();
let asked = false;

function request() {
  if (protocol === 'ocpp1.6') {
    return { location: firmware, retrieveDate: now(), retries: 1, retryInterval: 0 };
  }
  const about = { location: firmware, retrieveDateTime: now() };
  return { requestId: 7, firmware: about, retries: 1, retryInterval: 0 };
}

async function update(client) {
  try {
    tell({ answered: await client.call('UpdateFirmware', request()) });
  } catch (error) {
    tell({ problem: String(error) });
  }
}

const server = new RPCServer({ protocols: [protocol], strictMode: STRICT });
server.auth((accept) => accept());
server.on('client', (client) => {
  client.on('strictValidationFailure', ({ error, method, params }) =>
    tell({ problem: String(error), method, params }));
  client.handle('BootNotification', ({ params }) => {
    tell({ boot: params.firmwareVersion || params.chargingStation.firmwareVersion });
    return { status: 'Accepted', currentTime: now(), interval: 300 };
  });
  client.handle('StatusNotification', () => {
    if (!asked) { // the first thing a charger says once its boot is accepted
      asked = true;
      setImmediate(update, client);
    }
    return {};
  });
  client.handle('FirmwareStatusNotification', ({ params }) => {
    tell({ status: params.status });
    return {};
  });
  client.handle('Heartbeat', () => ({ currentTime: now() }));
  client.handle('SecurityEventNotification', () => ({}));
  client.handle(({ method }) => {
    tell({ problem: `nobody expects ${method}` });
    throw createRPCError('NotImplemented');
  });
});
server.listen(0, '127.0.0.1').then((http) => tell({ port: http.address().port }));
