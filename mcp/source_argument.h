// A DB-or-URL argument of the command line, and the configuration file that goes with it.
// Threading: pure, apart from loading a configuration through a session.
#pragma once

#include <string>
#include <string_view>

#include "ext/base/status.h"
#include "mcp/args.h"
#include "mcp/sql_session.h"

namespace litestream {

// "s3://bucket/app", "file:/backup": a scheme, and a colon before the first slash.
bool is_url(std::string_view text);
// "s3"; "" for a path.
std::string url_scheme(std::string_view text);
// Without user, password and query, where secrets are written.
std::string redacted_url(std::string_view url);

GivenSource given_source(std::string_view text);

// Where the configuration is looked for: -config, else $LITESTREAM_CONFIG, else
// /etc/litestream.yml.
std::string config_path(const ParsedArgs& args);

// How a configuration is read.
struct ConfigLoad {
  bool expand_env = true;  // $VAR and ${VAR}
  std::string options;     // JSON: what keys that the file does not set mean
};

// Loads it. NotFound if there is no such file; else the extension's error, with key and line.
Status load_config(SqlSession& session, const std::string& path, const ConfigLoad& how = {});
// The one that -config and -no-expand-env say.
Status load_config(SqlSession& session, const ParsedArgs& args);

// What a command needs before it asks about `source`: a URL excludes -config (InvalidArgument) and
// needs none, a path needs one.
Status load_config_for(SqlSession& session, const ParsedArgs& args, std::string_view source);

}  // namespace litestream
