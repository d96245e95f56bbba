// A text as JSON a line in; what two other programs count, a line out: [segments of one, segments of the other].
const readline = require("readline");
const { SegmentedMessage } = require("sms-segments-calculator");
const splitSms = require("split-sms");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const text = JSON.parse(line);
  const one = new SegmentedMessage(text, "auto").segments.length;
  console.log(JSON.stringify([one, splitSms.split(text).parts.length]));
});
