// Functions that tell or configure.
#include "ext/sqlite/functions.h"

#include "ext/base/nearest.h"
#include "ext/sqlite/registry.h"

namespace litestream {
Status run_version(SqlCall& call) {
  call.result_text(LITESTREAM_VERSION);
  return {};
}

Status run_config(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the path of litestream.yml"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the defaults"));
  LS_ASSIGN_OR_RETURN(const auto expand,
                      call.optional_integer(2, "whether variables are expanded", 0, 1));
  DatabaseOptions defaults;
  if (json) LS_RETURN_IF_ERROR(apply_options_json(*json, &defaults));
  const EnvLookup env = expand.value_or(1) == 1 ? process_environment() : EnvLookup();
  LS_ASSIGN_OR_RETURN(const int count, Registry::instance().load_config(path, env, defaults));
  call.result_integer(count);
  return {};
}

// Values of the loaded configuration that concern the process, not one database. NULL if unset.
Status run_config_value(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string key, call.text(0, "the key"));
  const auto config = Registry::instance().config();
  if (key == "config-path") {
    if (config) call.result_text(config->path);
    return {};
  }
  const auto settings = config ? config->settings : default_program_settings(process_environment());
  const ProgramSetting* setting = find_setting(settings, key);
  if (setting != nullptr) {
    if (!setting->text.empty()) call.result_text(setting->text);
    return {};
  }
  std::vector<std::string_view> known = {"config-path", "log-level"};
  for (const ProgramSetting& candidate : settings) known.push_back(candidate.key);
  return invalid_argument("unknown key '" + key.substr(0, 64) + "'" + nearest_hint(known, key) +
                          "; see the table litestream_config_values");
}

}  // namespace litestream
