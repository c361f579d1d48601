// The official SDK's client against a running endpoint. Arguments: node_modules folder, endpoint
// URL, JSON list of [tool, arguments]. Prints one JSON object: server, tools, results in order.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, endpoint, calls] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load('client/index.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');

const client = new Client({ name: 'interop', version: '1.0.0' });
const faults = [];
client.onerror = (error) => faults.push(String(error));
await client.connect(new StreamableHTTPClientTransport(new URL(endpoint)));
const { tools } = await client.listTools();
const results = [];
for (const [name, args] of JSON.parse(calls)) {
  // The client itself checks structuredContent against the tool's output schema.
  results.push(await client.callTool({ name, arguments: args }));
}
const server = client.getServerVersion();
await client.close();
console.log(JSON.stringify({ server, tools, results, faults }));
