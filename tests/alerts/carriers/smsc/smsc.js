// A message centre on loopback over the `smpp` codec, with the faults and dialects that real ones have.
// node smsc.js '{"password": "secret", "key": "…pem", "cert": "…pem"}' prints {"port": …, "control": …} when it listens.
//
// Control (HTTP): POST /set {…} changes what stands in `how`; POST /mo [{from, text | hex, dc, esm}] hands inbound SMS over;
// POST /cut drops every link; GET /log tells what was taken and what was answered; GET /counts tells how many.
'use strict';
const http = require('http');
const smpp = require('smpp');

const start = JSON.parse(process.argv[2] || '{}');
const THROTTLED = 0x58, QUEUE_FULL = 0x14, BIND_FAILED = 0x0d, WRONG_PASSWORD = 0x0e;
const how = {
  answerMs: 0,        // from submit_sm to its answer
  receiptMs: 20,      // from submit_sm to its receipt
  perSecond: 0,       // more than this in a second of the clock are throttled
  dialect: 'decimal', // how receipts are written
  state: 'DELIVRD',   // what they say
  deliverWindow: 10,  // unanswered deliver_sm on a link
  deliverAgainMs: 2000,
  refuse: [],         // statuses for the next submit_sm, 0 takes it
  unanswered: 0,      // how many of the next are taken and never answered
  lateMs: 0,          // those are answered after this long instead
  cutAfterTaking: 0,  // how many of the next are taken, and the link dropped instead of the answer
  noReceipts: 0,
  deaf: false,        // takes connections and octets, says nothing
};
let nextId = 1;
const taken = [], inbound = [], links = new Set(), counts = { submits: 0, throttled: 0, receiptsAnswered: 0, binds: 0 };
let second = 0, inSecond = 0, mostInSecond = 0;

const two = n => String(n).padStart(2, '0');
const minute = d => two(d.getUTCFullYear() % 100) + two(d.getUTCMonth() + 1) + two(d.getUTCDate()) +
  two(d.getUTCHours()) + two(d.getUTCMinutes());
const uuid = n => '6f9619ff-8b86-d011-b42d-' + n.toString(16).padStart(12, '0');
const STATES = { ENROUTE: 1, DELIVRD: 2, EXPIRED: 3, DELETED: 4, UNDELIV: 5, ACCEPTD: 6, UNKNOWN: 7, REJECTD: 8 };

// What each dialect changes. `id` is what the receipt writes, `answer` what the submit_sm_resp gave.
const DIALECTS = {
  decimal: {},
  hex: { id: n => n.toString(16).toUpperCase(), tlv: false },
  decimal_of_hex: { answer: n => n.toString(16), id: n => String(n).padStart(10, '0'), tlv: false },
  uuid: { answer: uuid, id: uuid },
  no_tlv: { tlv: false },
  tlv_only: { text: () => '' },
  before_answer: { early: true, tlv: false },
  twice: { times: 2 },
  latin_1: { octets: text => Buffer.from(text, 'latin1'), tlv: false },
  cut: { text: text => text.slice(0, text.indexOf('text:') + 12), tlv: false },
  dc_1: { dc: 1, tlv: false },
  no_sub: { text: text => text.replace(/sub:\S+ dlvrd:\S+ /, ''), tlv: false },
  payload: { payload: true, tlv: false },
  odd_dates: { text: text => text.replace(/date:(\d{10})/g, 'date:20$1' + '07'), tlv: false },
  terse: { text: text => text.replace(/^(id:\S+).*?(stat:\S+).*$/, '$1 $2'), tlv: false },
};

function receipt(message) {
  const dialect = DIALECTS[how.dialect], write = dialect.id || String;
  const delivered = how.state === 'DELIVRD';
  let text = `id:${write(message.n)} sub:001 dlvrd:${delivered ? '001' : '000'} submit date:${minute(new Date(message.at))} ` +
    `done date:${minute(new Date())} stat:${how.state} err:${delivered ? '000' : '011'} text:${message.text.slice(0, 20)}`;
  if (dialect.text) text = dialect.text(text);
  const octets = dialect.octets ? dialect.octets(text) : Buffer.from(text, 'utf8');
  const pdu = { source_addr_ton: 1, source_addr_npi: 1, source_addr: message.to, dest_addr_ton: 5, dest_addr_npi: 0,
    destination_addr: message.from, esm_class: 4, data_coding: dialect.dc || 0 };
  if (dialect.payload) { pdu.short_message = { message: Buffer.alloc(0) }; pdu.message_payload = { message: octets }; }
  else pdu.short_message = { message: octets };
  if (dialect.tlv !== false) { pdu.receipted_message_id = message.id; pdu.message_state = STATES[how.state]; }
  for (let i = 0; i < (dialect.times || 1); i++) deliver({ pdu, done: () => counts.receiptsAnswered++ });
}

// All that is for the client waits here until its answer says 0; what a dropped link had not answered comes again.
let waiting = [];
function deliver(item, afterMs) { item.due = Date.now() + (afterMs || 0); waiting.push(item); }
function pump() {
  const receivers = [...links].filter(link => link.receives);
  if (!receivers.length || how.deaf) return;
  const now = Date.now(), later = [];
  for (const item of waiting.filter(item => !item.isDone)) { // its answer came late, but came
    const link = receivers[Math.floor(Math.random() * receivers.length)];
    if (item.due > now || link.open.size >= how.deliverWindow) { later.push(item); continue; }
    hand(link, item);
  }
  waiting = later;
}
function hand(link, item) {
  link.open.add(item);
  item.handed = (item.handed || 0) + 1;
  const again = setTimeout(() => { if (link.open.delete(item)) deliver(item); }, how.deliverAgainMs);
  link.deliver_sm({ ...item.pdu }, answer => {
    clearTimeout(again);
    if (answer.command_status === 0) { if (!item.isDone) { item.isDone = true; item.done(); } link.open.delete(item); }
    else if (link.open.delete(item)) deliver(item, 500);
  });
}
setInterval(pump, 5);

function take(link, pdu) {
  counts.submits++;
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) { second = now; inSecond = 0; }
  inSecond++;
  mostInSecond = Math.max(mostInSecond, inSecond);
  const refusal = how.perSecond && inSecond > how.perSecond ? THROTTLED : how.refuse.shift() || 0;
  if (refusal) {
    if (refusal === THROTTLED || refusal === QUEUE_FULL) counts.throttled++;
    return link.send(pdu.response({ command_status: refusal }));
  }
  const dialect = DIALECTS[how.dialect], sm = pdu.short_message, payload = pdu.message_payload;
  const body = payload ? payload.message : sm.message;
  const n = nextId++, id = (dialect.answer || String)(n);
  const message = { n, id, at: Date.now(), from: pdu.source_addr, fromTon: pdu.source_addr_ton, to: pdu.destination_addr,
    toTon: pdu.dest_addr_ton, dc: pdu.data_coding, text: String(body), payload: !!payload, receipt: pdu.registered_delivery,
    valid: pdu.validity_period };
  taken.push(message);
  const wantsReceipt = (pdu.registered_delivery & 1) && !(how.noReceipts > 0 && how.noReceipts--);
  if (wantsReceipt && !dialect.early) setTimeout(() => receipt(message), how.receiptMs);
  if (how.cutAfterTaking > 0) { how.cutAfterTaking--; return link.socket.destroy(); }
  if (how.unanswered > 0) {
    how.unanswered--;
    if (how.lateMs) setTimeout(() => link.send(pdu.response({ message_id: id })), how.lateMs);
    return;
  }
  const answer = () => link.send(pdu.response({ message_id: id }));
  if (wantsReceipt && dialect.early) { receipt(message); pump(); setTimeout(answer, Math.max(how.answerMs, 30)); }
  else if (how.answerMs) setTimeout(answer, how.answerMs);
  else answer();
}

const options = start.key ? { key: require('fs').readFileSync(start.key), cert: require('fs').readFileSync(start.cert) } : {};
const server = smpp.createServer(options, link => {
  link.open = new Set();
  link.on('error', () => {});
  link.on('close', () => { links.delete(link); for (const item of link.open) deliver(item, 20); link.open.clear(); });
  const bind = receives => pdu => {
    if (how.deaf) return;
    if (pdu.system_id !== 'ndiyan' || pdu.password !== (start.password || 'secret')) {
      link.send(pdu.response({ command_status: pdu.system_id === 'ndiyan' ? WRONG_PASSWORD : BIND_FAILED }));
      return link.close();
    }
    link.receives = receives;
    links.add(link);
    counts.binds++;
    link.send(pdu.response({ system_id: 'smsc' }));
  };
  link.on('bind_transceiver', bind(true));
  link.on('bind_receiver', bind(true));
  link.on('bind_transmitter', bind(false));
  link.on('unbind', pdu => { link.send(pdu.response()); links.delete(link); link.close(); });
  link.on('enquire_link', pdu => { if (!how.deaf) link.send(pdu.response()); });
  link.on('submit_sm', pdu => { if (!how.deaf) take(link, pdu); });
});

function control(path, sent) {
  if (path === '/set') return Object.assign(how, sent);
  if (path === '/cut') { for (const link of links) link.socket.destroy(); return {}; }
  if (path === '/mo') {
    for (const one of sent) {
      const item = { pdu: { source_addr_ton: one.ton === undefined ? 1 : one.ton, source_addr_npi: 1, source_addr: one.from,
        dest_addr_ton: 0, dest_addr_npi: 1, destination_addr: '7000', data_coding: one.dc || 0, esm_class: one.esm || 0,
        short_message: { message: one.hex === undefined ? Buffer.from(one.text, 'latin1') : Buffer.from(one.hex, 'hex') } } };
      const record = { text: one.text, answered: false };
      item.done = () => { record.answered = true; };
      inbound.push({ record, item });
      deliver(item);
    }
    return {};
  }
  const told = inbound.map(({ record, item }) => ({ ...record, handed: item.handed || 0 }));
  if (path === '/log') return { taken, inbound: told };
  return { ...counts, taken: taken.length, bound: links.size, waiting: waiting.length, mostInSecond,
    inboundAnswered: told.filter(one => one.answered).length };
}
const web = http.createServer((request, response) => {
  let body = '';
  request.on('data', piece => { body += piece; });
  request.on('end', () => response.end(JSON.stringify(control(request.url, body ? JSON.parse(body) : {}))));
});
server.listen(start.port || 0, '127.0.0.1', () => web.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({ port: server.address().port, control: web.address().port }))));
