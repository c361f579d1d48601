# Ruby's sqlite3 gem as the host, with Ruby's own OpenSSL in use before and after. Arguments:
# extension, database, replica URL, "sync" or "exit".
require "json"
require "openssl"
require "sqlite3"

extension, path, url, ending = ARGV

digest = -> { OpenSSL::Digest.new("SHA256").hexdigest("litestream") }
key = OpenSSL::PKey::EC.generate("prime256v1")

database = SQLite3::Database.new(path)
database.enable_load_extension(true)
database.load_extension(extension)
database.enable_load_extension(false)

value = ->(sql, *arguments) { database.get_first_value(sql, arguments) }
before = digest.call
result = { sqlite: value.call("SELECT sqlite_version()") }
result[:url] = value.call("SELECT litestream_replicate(?)", url)
database.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v TEXT)")
database.transaction { 50.times { |i| database.execute("INSERT INTO t(v) VALUES(?)", ["row #{i}"]) } }
threads = 2.times.map do
  Thread.new do
    own = SQLite3::Database.new(path)
    own.busy_timeout = 10_000
    25.times { |i| own.execute("INSERT INTO t(v) VALUES(?)", ["row #{i}"]) }
    own.close
  end
end
threads.each(&:join)
if ending == "sync"
  result[:txid] = value.call("SELECT litestream_sync()")
  result[:newest] = value.call("SELECT max(max_txid) FROM litestream_ltx")
  database.close
end
raise "OpenSSL broke" unless digest.call == before && key.dsa_sign_asn1(before[0, 32])
puts JSON.generate(result)
