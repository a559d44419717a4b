// A charger on npm's ocpp-rpc in strict mode: it checks every frame of the CSMS against the schemas.
// node rpc_charger.cjs PROTOCOL OCPP_URL ID, with ocpp-rpc on NODE_PATH. JSON lines on stdout.
'use strict';
const { RPCClient } = require('ocpp-rpc');

const [protocol, endpoint, identity] = process.argv.slice(2);
// Its schemas of 2.1 (2.2.1) lack their ids and reject everything: there only the framing is strict.
const STRICT = ['ocpp1.6', 'ocpp2.0.1'];
const tell = (line) => console.log(JSON.stringify(line));
const first = protocol === 'ocpp1.6';

const client = new RPCClient({ endpoint, identity, protocols: [protocol], strictMode: STRICT });
client.on('strictValidationFailure', ({ error, method, params, result }) =>
  tell({ problem: String(error), method, params, result }));

function boot(version, reason) {
  const about = first
    ? { chargePointVendor: 'ABB', chargePointModel: 'Terra', firmwareVersion: version }
    : { reason, chargingStation: { vendorName: 'ABB', model: 'Terra', firmwareVersion: version } };
  return client.call('BootNotification', about);
}

async function install(requestId) {
  const told = first ? {} : { requestId };
  for (const status of ['Downloading', 'Downloaded', 'Installing', 'Installed']) {
    await client.call('FirmwareStatusNotification', { status, ...told });
  }
  await client.close();
  await client.connect();
  tell({ boot: (await boot('2.0.0', 'FirmwareUpdate')).status });
}

client.handle('UpdateFirmware', ({ params }) => {
  tell({ update: params });
  setImmediate(() => install(params.requestId).catch((error) => tell({ problem: String(error) })));
  return first ? {} : { status: 'Accepted' };
});
client.handle('TriggerMessage', () => ({ status: 'NotImplemented' }));

client.connect()
  .then(() => boot('1.0.0', 'PowerUp'))
  .then((answer) => tell({ boot: answer.status }))
  .catch((error) => tell({ problem: String(error) }));
