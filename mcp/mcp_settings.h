// What the mcp-* keys of the configuration, LITESTREAM_MCP_TOKEN and the command line say about the
// endpoint.
// Threading: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"
#include "mcp/sql_session.h"

namespace litestream {

struct McpSettings {
  std::string token;        // clients must show it (Authorization: Bearer); "": none is asked for
  bool read_only = false;   // tools that write are hidden and refused
  std::string restore_dir;  // restores go below this folder only; "": anywhere
  bool allow_overwrite = false;            // a restore may replace a file, if the call says so
  bool allow_urls = false;                 // tools may be asked about URLs that are not configured
  std::vector<std::string> allowed_hosts;  // besides this machine's names
  std::vector<std::string> allowed_origins;  // besides this machine's
  std::string warning;  // for litestream_status: what weakens the endpoint; "" if nothing does
};

// From the configuration that is loaded and the environment, which wins. InvalidArgument names the
// key whose value is wrong.
Result<McpSettings> load_mcp_settings(SqlSession& session);

// A JSON array of texts, or texts with commas in between.
Result<std::vector<std::string>> parse_text_list(std::string_view text);

}  // namespace litestream
