// node:sqlite as the host of a large upload and its restore, both on Node's main thread. Arguments:
// extension, database, replica URL, where to restore to.
import { DatabaseSync } from 'node:sqlite';

const [extension, path, url, output] = process.argv.slice(2);
const database = new DatabaseSync(path, { allowExtension: true });
database.enableLoadExtension(true);
database.loadExtension(extension);
const value = (sql, ...args) => Object.values(database.prepare(sql).get(...args))[0];
const result = { url: value('SELECT litestream_replicate(?)', url) };
database.exec('CREATE TABLE t(v)');
database.exec('INSERT INTO t VALUES(randomblob(3000000))');
result.txid = value('SELECT litestream_sync(NULL, 60000)');
result.restored = value('SELECT litestream_restore(?, ?)', url, output);
database.close();
console.log(JSON.stringify(result));
