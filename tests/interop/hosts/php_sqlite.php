<?php
// PHP's SQLite3 class as the host, with PHP's own OpenSSL in use before and after. Arguments: file
// name of the extension in sqlite3.extension_dir, database, replica URL, "sync" or "exit".
[, $extension, $path, $url, $ending] = $argv;

$before = openssl_digest('litestream', 'sha256');
$key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);

$database = new SQLite3($path);
$database->enableExceptions(true);
$database->busyTimeout(10000);
$database->loadExtension($extension);

$value = fn (string $sql) => $database->querySingle($sql);
$result = ['sqlite' => $value('SELECT sqlite_version()')];
$result['url'] = $value("SELECT litestream_replicate('" . SQLite3::escapeString($url) . "')");
$database->exec('CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT)');
$database->exec('BEGIN');
for ($i = 0; $i < 50; ++$i) $database->exec("INSERT INTO t(v) VALUES('row $i')");
$database->exec('COMMIT');
// A request has a connection of its own.
for ($i = 0; $i < 50; ++$i) {
    $request = new SQLite3($path);
    $request->enableExceptions(true);
    $request->busyTimeout(10000);
    $request->exec("INSERT INTO t(v) VALUES('row $i')");
    $request->close();
}
if ($ending === 'sync') {
    $result['txid'] = $value('SELECT litestream_sync()');
    $result['newest'] = $value('SELECT max(max_txid) FROM litestream_ltx');
    $database->close();
}
$signed = openssl_sign('litestream', $signature, $key, OPENSSL_ALGO_SHA256);
if (openssl_digest('litestream', 'sha256') !== $before || !$signed) {
    throw new Exception('OpenSSL broke');
}
echo json_encode($result), "\n";
