// A rollout CSMS on another stack: node's http and npm's ocpp-rpc, written from the published API
// alone, in memory, without extensions. One wrong decision can be asked for.
// node rollout_csms.cjs KEY [FAULT], with ocpp-rpc on NODE_PATH. One JSON line on stdout when ready.
'use strict';
const http = require('http');
const { RPCServer } = require('ocpp-rpc');

const [key, fault] = process.argv.slice(2);
const stations = new Map(); // id -> { client, version, vendor, model, site, booted }
const rollouts = new Map(); // id -> rollout
const now = () => new Date().toISOString();
const settled = (row) => row.status === 'installed' || row.status === 'failed';
let numbers = 0;

// ------------------------------------------------------------------ the rollout

const RANK = { pending: 0, scheduled: 1, downloading: 2, downloaded: 3, installing: 4, rebooting: 4 };
const SHOWN = {
  DownloadScheduled: ['scheduled', 0], Downloading: ['downloading', 10],
  DownloadPaused: ['downloading', 10], Downloaded: ['downloaded', 60],
  SignatureVerified: ['downloaded', 60], InstallScheduled: ['installing', 70],
  Installing: ['installing', 70], InstallRebooting: ['rebooting', 90], Installed: ['installed', 100],
};
const FAILED = ['DownloadFailed', 'InstallationFailed', 'InvalidSignature', 'InstallVerificationFailed'];

function sizes({ strategy, batch_size: batch, canary_count: canary }, total) {
  if (strategy === 'all_at_once') return [total];
  if (strategy === 'canary') {
    const first = Math.min(canary ?? 1, total);
    return total > first ? [first, total - first] : [first];
  }
  const size = batch ?? Math.ceil(total / 10);
  const out = [];
  for (let left = total; left > 0; left -= size) out.push(Math.min(size, left));
  return out;
}

function label(strategy, stage) {
  if (strategy === 'canary') return stage === 1 ? 'Canary' : 'Rollout';
  return strategy === 'rolling' ? `Batch ${stage}` : 'All';
}

function make(asked) {
  const ids = [...asked.charger_ids];
  const stages = sizes(asked, ids.length).map((size, index) => ({
    stage: index + 1,
    label: label(asked.strategy, index + 1),
    rows: ids.splice(0, size).map((id) => ({ id, status: 'pending', progress: 0 })),
  }));
  const rollout = {
    id: `r-${++numbers}-${Math.random().toString(36).slice(2, 8)}`, asked, stages,
    status: 'pending', current: 0, created: now(), updated: now(),
  };
  rollouts.set(rollout.id, rollout);
  return rollout;
}

function touch(rollout) {
  rollout.updated = now();
  if (rollout.status !== 'in_progress' && rollout.status !== 'paused') return;
  const rows = rollout.stages.flatMap((stage) => stage.rows);
  const canary = rollout.asked.strategy === 'canary' ? rollout.stages[0].rows : [];
  const dead = canary.length > 0 && canary.every((row) => row.status === 'failed');
  if (rows.every(settled) || dead) {
    const some = rows.some((row) => row.status === 'installed');
    rollout.status = some && !dead ? 'completed' : 'failed';
  }
}

function trigger(rollout, row) {
  const station = stations.get(row.id);
  if (!station || !station.client || !station.booted) return false;
  const v16 = station.client.protocol === 'ocpp1.6';
  row.requestId = ++numbers;
  row.status = 'scheduled';
  row.started = now();
  const url = rollout.asked.firmware_url;
  const date = rollout.asked.retrieve_date || now();
  const command = v16
    ? { location: url, retrieveDate: date, retries: 0 }
    : { requestId: row.requestId, retries: 0, firmware: { location: url, retrieveDateTime: date } };
  const send = () => station.client.call('UpdateFirmware', command)
    .then((answer) => { if (!v16 && answer.status !== 'Accepted') end(rollout, row, 'refused'); })
    .catch((error) => end(rollout, row, String(error)));
  send();
  if (fault === 'double_trigger') setTimeout(send, 100);
  return true;
}

function end(rollout, row, reason) {
  if (settled(row)) return;
  row.status = 'failed';
  row.reason = reason.slice(0, 200);
  row.completed = now();
  touch(rollout);
}

function dispatch(rollout) {
  if (rollout.status !== 'in_progress' && fault !== 'pause_ignored') return [];
  const stage = rollout.stages[rollout.current - 1];
  return stage.rows.filter((row) => row.status === 'pending' && trigger(rollout, row))
    .map((row) => row.id);
}

function release(id) {
  for (const rollout of rollouts.values()) {
    if (!rollout.current || rollout.status === 'completed' || rollout.status === 'failed') continue;
    if (rollout.stages[rollout.current - 1].rows.some((row) => row.id === id)) dispatch(rollout);
  }
}

function report(id, { status, requestId }) {
  for (const rollout of rollouts.values()) {
    const rows = rollout.stages.flatMap((stage) => stage.rows);
    const row = rows.find((one) => one.id === id && one.requestId !== undefined && !settled(one));
    if (!row || (requestId !== undefined && requestId !== row.requestId)) continue;
    if (FAILED.includes(status)) return end(rollout, row, status);
    const [shown, progress] = SHOWN[status] || [];
    if (shown === undefined || RANK[shown] < RANK[row.status]) return undefined;
    row.status = fault === 'installed_early' && shown === 'installing' ? 'installed' : shown;
    row.progress = row.status === 'installed' ? 100 : Math.max(progress, row.progress);
    if (settled(row)) row.completed = now();
    touch(rollout);
    return undefined;
  }
  return undefined;
}

// ------------------------------------------------------------------ the published API

const problem = (status, detail) => ({ status, body: { detail } });

function invalid(body) {
  if (typeof body !== 'object' || body === null) return 'a JSON object is needed';
  const { charger_ids: ids, firmware_url: url, strategy, retrieve_date: date } = body;
  if (!Array.isArray(ids) || ids.length === 0) return 'charger_ids';
  if (new Set(ids).size !== ids.length) return 'charger_ids are named twice';
  if (ids.some((id) => !stations.has(id))) return 'unknown chargers';
  if (typeof url !== 'string' || !/^https?:\/\//.test(url)) return 'firmware_url';
  if (!['canary', 'rolling', 'all_at_once'].includes(strategy)) return 'strategy';
  for (const count of [body.batch_size, body.canary_count]) {
    if (count !== undefined && (!Number.isInteger(count) || count < 1)) return 'counts';
  }
  return date !== undefined && Number.isNaN(Date.parse(date)) ? 'retrieve_date' : '';
}

function stageStatus(rollout, stage) {
  if (stage.stage > rollout.current) return 'pending';
  if (!stage.rows.every(settled)) return 'in_progress';
  return stage.rows.some((row) => row.status === 'installed') ? 'completed' : 'failed';
}

const shownRow = (row) => ({
  charge_point_id: row.id, status: row.status, progress_percent: row.progress,
  started_at: row.started ?? null, completed_at: row.completed ?? null, reason: row.reason ?? null,
});

const API = {
  create(_, body) {
    const why = invalid(body);
    if (why) return problem(422, why);
    const rollout = make(body);
    const stages = rollout.stages.map(({ stage, label: name, rows }) => (
      { stage, label: name, charger_ids: rows.map((row) => row.id), status: 'pending' }));
    return { status: 201, body: {
      rollout_id: rollout.id, strategy: body.strategy, firmware_url: body.firmware_url,
      total_chargers: body.charger_ids.length, status: 'pending', stages,
      created_at: rollout.created } };
  },
  read(rollout) {
    const stages = rollout.stages.map((stage) => ({
      stage: stage.stage, label: stage.label, status: stageStatus(rollout, stage),
      chargers: stage.rows.map(shownRow) }));
    return { status: 200, body: {
      rollout_id: rollout.id, strategy: rollout.asked.strategy,
      firmware_url: rollout.asked.firmware_url, status: rollout.status,
      current_stage: rollout.current || null, stages, created_at: rollout.created,
      updated_at: rollout.updated } };
  },
  'execute-stage'(rollout) {
    if (rollout.status === 'completed' || rollout.status === 'failed') return problem(409, 'it is over');
    const stage = rollout.stages[rollout.current - 1];
    const busy = stage && !stage.rows.every(settled);
    if (rollout.status === 'in_progress' && busy) return problem(409, 'the stage is not settled');
    if (!busy) rollout.current += fault === 'stage_skipped' && rollout.current === 1 ? 2 : 1;
    if (rollout.current > rollout.stages.length) return problem(409, 'no stage is left');
    rollout.status = 'in_progress';
    const sent = dispatch(rollout);
    touch(rollout);
    return { status: 200, body: {
      rollout_id: rollout.id, executed_stage: rollout.current, status: 'in_progress',
      chargers_triggered: sent, triggered_at: now() } };
  },
  pause(rollout, body) {
    if (rollout.status === 'in_progress') {
      rollout.status = 'paused';
      rollout.pausedAt = now();
      rollout.reason = body?.reason ?? null;
    } else if (rollout.status !== 'paused') return problem(409, `it is ${rollout.status}`);
    rollout.updated = now();
    return { status: 200, body: {
      rollout_id: rollout.id, status: 'paused', paused_at: rollout.pausedAt,
      reason: rollout.reason } };
  },
  fleet(query) {
    const groups = new Map();
    for (const one of stations.values()) {
      if (one.version === undefined) continue;
      if (query.get('vendor') && query.get('vendor') !== one.vendor) continue;
      if (query.get('site_id') && query.get('site_id') !== one.site) continue;
      const name = JSON.stringify([one.version, one.vendor, one.model]);
      groups.set(name, (groups.get(name) || 0) + 1);
    }
    const versions = [...groups].map(([name, count]) => {
      const [version, vendor, model] = JSON.parse(name);
      return { firmware_version: version, charger_count: count, vendor, model, release_date: null };
    });
    const total = versions.reduce((sum, row) => sum + row.charger_count, 0);
    return { status: 200, body: { versions, total_chargers: total } };
  },
};

function route(request, body) {
  const url = new URL(request.url, 'http://localhost');
  const known = /^\/known\/(.+)$/.exec(url.pathname); // how this system learns of its chargers
  if (known && request.method === 'PUT') {
    const id = decodeURIComponent(known[1]);
    stations.set(id, { ...stations.get(id), site: body?.site });
    return { status: 200, body: {} };
  }
  if (request.headers.authorization !== `Bearer ${key}` && fault !== 'no_authentication') {
    return problem(401, 'a valid key is needed');
  }
  const path = url.pathname;
  if (request.method === 'GET' && path === '/api/fleet/firmware') return API.fleet(url.searchParams);
  if (request.method === 'POST' && path === '/api/firmware/rollout') return API.create(null, body);
  const match = /^\/api\/firmware\/rollout\/([^/]+)(?:\/(execute-stage|pause))?$/.exec(path);
  const rollout = match && rollouts.get(decodeURIComponent(match[1]));
  if (!rollout) return problem(404, 'not found');
  if (request.method === 'GET' && !match[2]) return API.read(rollout);
  return request.method === 'POST' && match[2] ? API[match[2]](rollout, body) : problem(405, 'method');
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    let answer;
    try {
      const text = Buffer.concat(parts).toString();
      answer = route(request, text ? JSON.parse(text) : undefined);
    } catch (error) {
      answer = problem(error instanceof SyntaxError ? 400 : 500, String(error));
    }
    response.writeHead(answer.status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  });
});

// ------------------------------------------------------------------ OCPP

const rpc = new RPCServer({ protocols: ['ocpp2.0.1', 'ocpp1.6'], strictMode: false });
rpc.auth((accept, reject, { identity }) => (stations.has(identity) ? accept() : reject(404)));
rpc.on('client', (client) => {
  const id = client.identity;
  const station = stations.get(id);
  const reconnects = station.booted;
  station.client = client;
  client.on('close', () => { if (station.client === client) station.client = null; });
  client.handle('BootNotification', ({ params }) => {
    const about = params.chargingStation || params;
    station.version = about.firmwareVersion ?? 'unknown';
    station.vendor = about.vendorName ?? about.chargePointVendor;
    station.model = about.model ?? about.chargePointModel;
    station.booted = true;
    setTimeout(() => release(id), 20); // after the answer
    return { status: 'Accepted', currentTime: now(), interval: 300 };
  });
  client.handle('Heartbeat', () => ({ currentTime: now() }));
  client.handle('FirmwareStatusNotification', ({ params }) => { report(id, params); return {}; });
  client.handle('StatusNotification', () => ({}));
  client.handle('SecurityEventNotification', () => ({}));
  client.handle('StartTransaction', () => ({ transactionId: ++numbers, idTagInfo: { status: 'Accepted' } }));
  client.handle('StopTransaction', () => ({}));
  client.handle('TransactionEvent', () => ({}));
  if (reconnects) setTimeout(() => release(id), 20);
});
server.on('upgrade', rpc.handleUpgrade);
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
