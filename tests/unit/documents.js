// Made-up JSON for test_canonical_node: documents.js SEED COUNT
//
// A line a document: its bytes in hex, and in hex what JSON.stringify(JSON.parse(text)) makes of
// them; "-" where it makes nothing. The same seed gives the same documents.
"use strict";

const [seed, count] = process.argv.slice(2).map(Number);

let state = seed;
function random() { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

const below = (n) => Math.floor(random() * n);
const one = (list) => list[below(list.length)];
const many = (most, make) => Array.from({ length: below(most + 1) }, make);
const digits = (most) => String(1 + below(9)) + many(most - 1, () => below(10)).join("");

// Any double there is, by its bits.
function anyDouble() {
  const bytes = Buffer.from(Array.from({ length: 8 }, () => below(256)));
  const x = bytes.readDoubleLE();
  return Number.isFinite(x) ? String(Math.abs(x)) : "1e999";
}

const numbers = [
  () => String(below(1000)),
  () => digits(22),
  () => `${digits(18)}.${many(8, () => "0").join("")}${digits(20)}`,
  () => `0.${many(9, () => "0").join("")}${digits(18)}`,
  () => `${digits(17)}${one(["e", "E"])}${one(["", "+", "-"])}${below(330)}`,
  () => `${below(10)}.${digits(30)}e${below(700) - 350}`,
  () => `${digits(3)}${many(40, () => below(2) * 9).join("")}`,
  () => `${digits(18)}e-${310 + below(30)}`,
  () => anyDouble(),
  () => String(2 ** (below(2098) - 1074)), // where the doubles below lie closer than those above
  () => String(2 ** (below(2098) - 1074) * (1 + one([-1, 1]) * 2 ** -52)),
  () => String(10 ** (below(640) - 330)),
  () => one(["0", "0.0", "0e5", "0.000e-9", "120000.0", "1e21", "1e20", "999999999999999999999",
    "123456789012345678901", "1e-6", "1e-7", "0.000001", "0.0000001", "5e-324", "2e-324", "1e999",
    "1e-999", "1.7976931348623157e308", "1.7976931348623159e308", "2.2250738585072011e-308",
    "2.2250738585072014e-308", "9007199254740991", "9007199254740992", "9007199254740993",
    "5.684341886080801e-14", "5.684341886080802e-14", "1e99999999999999999999", "1e-99999999999999999999",
    `0.${"0".repeat(900)}1e900`, `1${"0".repeat(800)}1e-400`, `${"9".repeat(900)}e-890`]),
];
const number = () => one(["", "", "-"]) + one(numbers)();

const hex4 = (unit) => {
  const text = unit.toString(16).padStart(4, "0");
  return random() < 0.5 ? text : text.toUpperCase();
};
const pieces = [
  () => one(["a", "Zoë", "日本", "😀", "</p>", "&", " ", "0", "\u2028", "\u2029", "\u007f", "\u0085", "\ufeff"]),
  () => one(['\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"]),
  () => `\\u${hex4(below(0x80))}`,
  () => `\\u${hex4(below(0x10000))}`,
  () => `\\u${hex4(0xd800 + below(0x800))}`,
  () => `\\u${hex4(0xd800 + below(0x400))}\\u${hex4(0xdc00 + below(0x400))}`,
  () => String.fromCodePoint(one([0x20, 0x80, 0x800, 0xe000, 0x10000, 0x100000]) + below(0x20)),
];
const string = () => `"${many(6, () => one(pieces)()).join("")}"`;

const keys = [
  string,
  () => `"${below(20)}"`,
  () => `"${one(["", "a", "b", "c", "aa", "__proto__", "constructor", "toString", "length"])}"`,
  () => `"${one(["00", "01", "-1", "-0", "1.0", "1e3", "+1", "4294967293", "4294967294", "4294967295",
    "4294967296", "9007199254740991", "10", "9", "1", "0", "\\u0031", "\\u0030", "2 ", "99999999999"])}"`,
];

const space = () => many(2, () => one([" ", "\n", "\r\n", "\t"])).join("");
function list(open, close, depth, item) {
  const items = many(one([0, 2, 4, 9]), () => `${space()}${item(depth - 1)}${space()}`);
  return open + (items.length ? items.join(",") : space()) + close;
}
const member = (depth) => `${one(keys)()}${space()}:${space()}${value(depth)}`;
function value(depth) {
  const kind = below(depth > 0 ? 9 : 5);
  if (kind === 0) return one(["null", "true", "false"]);
  if (kind < 3) return number();
  if (kind < 5) return string();
  if (kind < 6) return list("[", "]", depth, value);
  return list("{", "}", depth, member);
}

function deep() {
  const depth = below(500);
  const open = Array.from({ length: depth }, () => below(2));
  return open.map((kind) => (kind ? '{"1":2,"a":' : "[0,")).join("") + value(1)
    + open.reverse().map((kind) => (kind ? ',"0":1}' : "]")).join("");
}

// Something that is no JSON any more, most of the time.
function broken(text) {
  const bytes = Buffer.from(text);
  const at = below(bytes.length + 1);
  const wrong = Buffer.from(one([[0], [0x0b], [0x0c], [0x1f], [0xff], [0xc3], [0xed, 0xa0, 0x80],
    [0xef, 0xbb, 0xbf], [0x2c], [0x7d], [0x22], [0x5c], [0x30], [0x2e], [0x2d], [0x65], [0x2f, 0x2a]]));
  return Buffer.concat([bytes.subarray(0, at), wrong, bytes.subarray(at + below(2))]);
}

function document() {
  const text = space() + (below(100) ? value(1 + below(6)) : deep()) + space();
  return below(8) ? Buffer.from(text) : broken(text);
}

function canonical(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return Buffer.from(JSON.stringify(JSON.parse(text))).toString("hex");
  } catch {
    return "-";
  }
}

const lines = Array.from({ length: count }, () => {
  const bytes = document();
  return `${bytes.toString("hex")} ${canonical(bytes)}\n`;
});
process.stdout.write(lines.join(""));
