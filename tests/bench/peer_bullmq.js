// The same with BullMQ, as its guide shows a worker: a job is an event, and the queue keeps count.
// Started by peers.py; `fill` as the fourth argument adds COUNT jobs first, and ends.
const { Queue, Worker } = require("bullmq");
const { Pool } = require("undici");

const [socket, address, concurrency] = [process.argv[2], new URL(process.argv[3]), Number(process.argv[4])];
const connection = { path: socket, maxRetriesPerRequest: null };

async function fill(count, body) {
  const queue = new Queue("kula", { connection });
  for (let at = 0; at < count; at += 1000) {
    const jobs = [];
    for (let n = at; n < Math.min(count, at + 1000); n++)
      jobs.push({
        name: "candidate.updated",
        data: { id: `evt_${n}`, type: "candidate.updated", body },
        opts: { attempts: 10, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: true },
      });
    await queue.addBulk(jobs);
  }
  await queue.close();
}

function forward() {
  const pool = new Pool(address.origin, { connections: concurrency, pipelining: 1 });
  const worker = new Worker("kula", async ({ data }) => {
    const { statusCode, body } = await pool.request({
      method: "POST",
      path: address.pathname,
      headers: {
        "content-type": "application/json",
        "x-kula-event": data.type,
        "x-kula-event-id": data.id,
        "idempotency-key": data.id,
      },
      body: data.body,
    });
    await body.dump();
    if (statusCode < 200 || statusCode >= 300) throw new Error(`answered ${statusCode}`);
  }, { connection, concurrency, autorun: false });
  worker.waitUntilReady().then(() => {
    console.log("ready");
    process.stdin.once("data", () => worker.run());
  });
}

if (process.argv[5] === "fill") fill(Number(process.argv[6]), "x".repeat(Number(process.argv[7])));
else forward();
