// better-sqlite3 as the host. Arguments: node_modules folder, extension, database, replica URL,
// "sync" or "exit".
const [modules, extension, path, url, ending] = process.argv.slice(2);
const Database = require(`${modules}/better-sqlite3`);

const database = new Database(path);
database.loadExtension(extension);

const value = (sql, ...args) => database.prepare(sql).pluck().get(...args);
const result = { sqlite: value('SELECT sqlite_version()') };
result.url = value('SELECT litestream_replicate(?)', url);
database.exec('CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT)');
const insert = database.prepare('INSERT INTO t(v) VALUES(?)');
database.transaction(() => {
  for (let i = 0; i < 50; ++i) insert.run(`row ${i}`);
})();
for (let i = 0; i < 50; ++i) insert.run(`row ${i}`);
if (ending === 'sync') {
  result.txid = value('SELECT litestream_sync()');
  result.files = database.prepare('SELECT * FROM litestream_ltx').all();
  database.close();
}
console.log(JSON.stringify(result));
