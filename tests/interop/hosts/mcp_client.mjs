// Version 1 of the official SDK's client against the program. Arguments: node_modules folder; the
// endpoint's URL, or a JSON list of program and arguments for stdio; JSON list of [tool, arguments].
// Prints one JSON object: server, tools, results in order, what was asked of the person, faults.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, endpoint, calls] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load('client/index.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');
const { StdioClientTransport } = await load('client/stdio.js');
const { ElicitRequestSchema } = await load('types.js');

function transportOf(target) {
  if (!target.startsWith('[')) return new StreamableHTTPClientTransport(new URL(target));
  const [command, ...args] = JSON.parse(target);
  return new StdioClientTransport({ command, args, stderr: 'ignore' });
}

const client = new Client({ name: 'interop', version: '1.0.0' },
  { capabilities: { elicitation: {} } });
const faults = [];
client.onerror = (error) => faults.push(String(error));
const questions = [];
client.setRequestHandler(ElicitRequestSchema, (request) => {
  questions.push(request.params.message);
  return { action: 'accept', content: { overwrite: true } };
});
await client.connect(transportOf(endpoint));
const { tools } = await client.listTools();
const results = [];
for (const [name, args] of JSON.parse(calls)) {
  // The client itself checks structuredContent against the tool's output schema.
  results.push(await client.callTool({ name, arguments: args }));
}
const server = client.getServerVersion();
await client.close();
console.log(JSON.stringify({ server, tools, results, questions, faults }));
