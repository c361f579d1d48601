// node:sqlite as the host of a process that speaks HTTPS itself, by the OpenSSL it brings. Arguments:
// extension, database, replica URL, the server's origin, a file with its certificate authority.
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { DatabaseSync } from 'node:sqlite';

const [extension, path, url, origin, caFile] = process.argv.slice(2);
const ca = readFileSync(caFile);
const ownRequest = () => new Promise((resolve, reject) => {
  request(origin, { ca, agent: false }, (answer) => {
    answer.resume();
    answer.on('end', () => resolve(answer.statusCode));
  }).on('error', reject).end();
});

const result = { own: [await ownRequest()] };
const database = new DatabaseSync(path, { allowExtension: true });
database.enableLoadExtension(true);
database.loadExtension(extension);
const value = (sql, ...args) => Object.values(database.prepare(sql).get(...args))[0];
result.url = value('SELECT litestream_replicate(?)', url);
database.exec('CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT)');
for (let i = 0; i < 20; ++i) {
  database.prepare('INSERT INTO t(v) VALUES(?)').run(`row ${i}`);
  if (i % 5 === 0) result.own.push(await ownRequest());
}
result.txid = value('SELECT litestream_sync()');
result.own.push(await ownRequest());
database.close();
console.log(JSON.stringify(result));
