// ~/.aws/credentials and ~/.aws/config, as far as keys go.
// Source: "Configuration and credential file settings", AWS CLI user guide.
// Threading: pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/store/store_spec.h"

namespace litestream {

using ProfileValues = std::map<std::string, std::string, std::less<>>;  // key -> value

// Sections by name ("default", "profile dev") of such a file. Lines that make no sense are skipped,
// as AWS's own readers do; nested settings (indented lines) are left out.
std::map<std::string, ProfileValues, std::less<>> parse_profile_file(std::string_view text);

struct AwsProfile {
  std::string name;
  ProfileValues values;  // those of the credentials file win over those of the config file
};

// The profile that AWS_PROFILE, else AWS_DEFAULT_PROFILE names, else "default", from the files that
// AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name, else from HOME. Nothing if there is no such
// profile and nobody named it; NotFound if somebody did. Io: a file cannot be read.
Result<std::optional<AwsProfile>> read_aws_profile(FileSystem& fs,
                                                   const StoreEnvironment& environment);

}  // namespace litestream
