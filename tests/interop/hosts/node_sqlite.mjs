// node:sqlite as the host. Arguments: extension, database, replica URL, "sync" or "exit".
import { DatabaseSync } from 'node:sqlite';

const [extension, path, url, ending] = process.argv.slice(2);
const database = new DatabaseSync(path, { allowExtension: true });
database.enableLoadExtension(true);
database.loadExtension(extension);
database.enableLoadExtension(false);

const value = (sql, ...args) => Object.values(database.prepare(sql).get(...args))[0];
const result = { sqlite: value('SELECT sqlite_version()') };
result.url = value('SELECT litestream_replicate(?)', url);
database.exec('CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT)');
const insert = database.prepare('INSERT INTO t(v) VALUES(?)');
for (let i = 0; i < 100; ++i) insert.run(`row ${i}`);
if (ending === 'sync') {
  result.txid = value('SELECT litestream_sync()');
  result.files = database.prepare('SELECT * FROM litestream_ltx').all();
  database.close();
}
console.log(JSON.stringify(result));
