// The forwarder that one would write first, with ioredis and undici: reads ahead in batches, keeps
// CONCURRENCY requests in flight, acknowledges what was answered 2xx. No retries, no filters, no
// dead letters, no counts. Started by peers.py; it begins when it is sent a line.
const Redis = require("ioredis");
const { Pool } = require("undici");

const [socket, address, concurrency] = [process.argv[2], new URL(process.argv[3]), Number(process.argv[4])];
const redis = new Redis({ path: socket, enableAutoPipelining: true }); // one write for all of a turn
const reader = new Redis({ path: socket });
const pool = new Pool(address.origin, { connections: concurrency, pipelining: 1 });
const queue = [];
let reading = false;
let inFlight = 0;

async function deliver([id, fields]) {
  const event = {};
  for (let i = 0; i < fields.length; i += 2) event[fields[i]] = fields[i + 1];
  const { statusCode, body } = await pool.request({
    method: "POST",
    path: address.pathname,
    headers: {
      "content-type": "application/json",
      "x-kula-event": event.type,
      "x-kula-event-id": event.id,
      "idempotency-key": event.id,
    },
    body: event.body,
  });
  await body.dump();
  if (statusCode >= 200 && statusCode < 300) await redis.xack("kula:events", "peer", id);
  inFlight--;
  goOn();
}

async function readAhead() {
  reading = true;
  const found = await reader.xreadgroup(
    "GROUP", "peer", "one", "COUNT", 2 * concurrency, "BLOCK", 1000, "STREAMS", "kula:events", ">");
  if (found) queue.push(...found[0][1]);
  reading = false;
  goOn();
}

function goOn() {
  if (queue.length < concurrency && !reading) readAhead();
  while (inFlight < concurrency && queue.length) {
    inFlight++;
    deliver(queue.shift());
  }
}

redis.xgroup("CREATE", "kula:events", "peer", "0").then(() => {
  console.log("ready");
  process.stdin.once("data", goOn);
});
