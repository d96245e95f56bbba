// Node-RED without editor, admin API and telemetry; the flow finds the registry in its global context.
const fs = require("fs");

module.exports = {
    flowFile: "flow.json",
    credentialSecret: false,
    httpAdminRoot: false,
    httpNodeRoot: false,
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.BENCH_PORT),
    telemetry: { enabled: false },
    logging: { console: { level: "info" } },
    functionGlobalContext: { channels: JSON.parse(fs.readFileSync(process.env.BENCH_CHANNELS, "utf8")) },
};
