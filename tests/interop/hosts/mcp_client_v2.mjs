// Version 2 of the official SDK's client against the program. Arguments: node_modules folder; the
// endpoint's URL, or a JSON list of program and arguments for stdio; "legacy", "auto" or
// "2026-07-28"; JSON list of steps [method, parameters]. Prints one JSON object: the revision agreed
// on, the era, the answers in order, what was asked of the person, progress of each, and faults.
import { pathToFileURL } from 'node:url';

const [modules, endpoint, mode, calls] = process.argv.slice(2);
const folder = `${modules}/@modelcontextprotocol/client/dist`;
const load = (name) => import(pathToFileURL(`${folder}/${name}`));
const { Client, StreamableHTTPClientTransport } = await load('index.mjs');
const { StdioClientTransport } = await load('stdio.mjs');

function transportOf(target) {
  if (!target.startsWith('[')) return new StreamableHTTPClientTransport(new URL(target));
  const [command, ...args] = JSON.parse(target);
  return new StdioClientTransport({ command, args, stderr: 'ignore' });
}

const negotiation = mode.startsWith('2') ? { pin: mode } : mode;
const client = new Client({ name: 'interop', version: '1.0.0' },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode: negotiation } });
const faults = [];
client.onerror = (error) => faults.push(String(error));
const questions = [];
client.setRequestHandler('elicitation/create', (request) => {
  questions.push(request.params.message);
  return { action: 'accept', content: { overwrite: true } };
});
await client.connect(transportOf(endpoint));
const answers = [];
const progress = [];
for (const [method, parameters] of JSON.parse(calls)) {
  const steps = [];
  answers.push(await client[method](parameters, { onprogress: (step) => steps.push(step.progress) }));
  progress.push(steps);
}
const version = client.getNegotiatedProtocolVersion();
const server = client.getServerVersion();
await client.close();
console.log(JSON.stringify({ version, server, answers, questions, progress, faults }));
