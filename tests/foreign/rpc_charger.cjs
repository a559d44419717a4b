// A charger on npm's ocpp-rpc in strict mode: it checks every frame of the CSMS against the schemas.
// node rpc_charger.cjs PROTOCOL OCPP_URL ID [fetches], with ocpp-rpc on NODE_PATH. JSON lines on
// stdout. Without `fetches` it only says that it downloads and installs.
'use strict';
const http = require('http');
const { RPCClient } = require('ocpp-rpc');

const [protocol, endpoint, identity, way] = process.argv.slice(2);
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

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function fetched(url) { // true once every byte came
  if (way !== 'fetches') return Promise.resolve(true);
  return new Promise((resolve) => {
    http.get(url, (answer) => {
      answer.on('end', () => resolve(answer.complete && answer.statusCode === 200));
      answer.on('error', () => resolve(false));
      answer.resume();
    }).on('error', () => resolve(false));
  });
}

async function arrives(url, retries, interval) {
  for (let left = retries ?? 1; ; left -= 1) {
    if (await fetched(url)) return true;
    if (left <= 0) return false;
    await pause(interval ?? 1);
  }
}

async function install({ requestId, firmware, location, retries, retryInterval }) {
  const say = (status) => client.call(
    'FirmwareStatusNotification', first ? { status } : { status, requestId });
  const url = first ? location : firmware.location;
  await say('Downloading');
  if (!await arrives(url, retries, retryInterval)) return say('DownloadFailed');
  await say('Downloaded');
  await say('Installing');
  if (way !== 'fetches') await say('Installed');
  await client.close();
  await client.connect();
  version = url.endsWith('older.bin') ? '1.9.0' : '2.0.0';
  tell({ boot: (await boot(version, 'FirmwareUpdate')).status });
  return way === 'fetches' ? say('Installed') : undefined;
}

let version = '1.0.0';
client.handle('UpdateFirmware', ({ params }) => {
  tell({ update: params });
  setImmediate(() => install(params).catch((error) => tell({ problem: String(error) })));
  return first ? {} : { status: 'Accepted' };
});
client.handle('TriggerMessage', () => ({ status: 'NotImplemented' }));

client.connect()
  .then(() => boot(version, 'PowerUp'))
  .then((answer) => tell({ boot: answer.status }))
  .catch((error) => tell({ problem: String(error) }));
