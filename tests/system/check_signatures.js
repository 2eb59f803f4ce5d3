// Checks signed requests as their receivers would: check_signatures.js < REQUESTS
//
// REQUESTS is a JSON list of {scheme, secret, headers (lower-case names), body (base64)}; the answer
// is a list of {accepted, by}. "kula" is checked the way Kula's guide shows, over the text of the
// request's body. "standard-webhooks" is checked by the package standardwebhooks where node finds it
// (NODE_PATH), else by what its specification says.
"use strict";

const crypto = require("node:crypto");

const TOLERANCE_S = 300;

function isFresh(timestamp) {
  return Math.abs(Math.floor(Date.now() / 1000) - Number(timestamp)) <= TOLERANCE_S;
}

function isEqual(a, b) {
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

// As in the guide: item 0 is t, item 1 is v1, and nothing else is looked at.
function checkKula({ secret, headers, body }) {
  const [first, second] = headers["x-kula-signature"].split(",");
  const timestamp = first.split("=")[1];
  const given = second.split("=")[1];
  if (!isFresh(timestamp) || timestamp !== headers["x-kula-timestamp"]) return false;
  const made = crypto.createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return isEqual(Buffer.from(given), Buffer.from(made));
}

function checkStandard({ secret, headers, body }) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures } = headers;
  if (!isFresh(timestamp)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const made = crypto.createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
  return signatures.split(" ").some((signature) => {
    const [version, value] = signature.split(",");
    return version === "v1" && isEqual(Buffer.from(value, "base64"), made);
  });
}

function findPackage() {
  try {
    return require("standardwebhooks").Webhook;
  } catch {
    return null;
  }
}

function checkWithPackage(Webhook, { secret, headers, body }) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function check(request) {
  const whole = { ...request, body: Buffer.from(request.body, "base64").toString("utf8") };
  if (request.scheme === "kula") return { accepted: checkKula(whole), by: "the guide's way" };
  const Webhook = findPackage();
  if (Webhook) return { accepted: checkWithPackage(Webhook, whole), by: "the package" };
  return { accepted: checkStandard(whole), by: "the specification" };
}

const requests = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(requests.map(check)));
