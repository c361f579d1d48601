// Checks JSON values against JSON Schemas with Ajv. Argument: node_modules folder. Standard input: a
// list of {"name","schema","value"}. Prints a JSON list of what is wrong.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.argv[2]}/`);
const Ajv = require('ajv/dist/2020').default;
const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
const faults = [];
for (const { name, schema, value } of JSON.parse(readFileSync(0))) {
  const check = ajv.compile(schema);
  if (!check(value)) faults.push(`${name}: ${ajv.errorsText(check.errors)}: ${JSON.stringify(value)}`);
}
console.log(JSON.stringify(faults));
