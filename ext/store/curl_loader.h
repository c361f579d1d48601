// libcurl, loaded when the first remote store needs it and not before: a process that backs up to a
// folder never maps it. Its headers are used at build time only; nothing links it.
//
// libcurl.so.4, else libcurl-gnutls.so.4, with RTLD_DEEPBIND: without it the library would bind to
// the host's own OpenSSL and zlib (Node exports such symbols). It stays loaded; its global state is
// initialised once and never torn down, so that what runs at the end of the process may still use
// it.
// Threading: thread-safe.
#pragma once

#include <curl/curl.h>

#include <string>

#include "ext/base/status.h"

namespace litestream {

// The functions we call, by the names of libcurl without "curl_".
struct CurlApi {
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_reset) easy_reset = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_multi_init) multi_init = nullptr;
  decltype(&::curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&::curl_multi_setopt) multi_setopt = nullptr;
  decltype(&::curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&::curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&::curl_multi_perform) multi_perform = nullptr;
  decltype(&::curl_multi_poll) multi_poll = nullptr;
  decltype(&::curl_multi_info_read) multi_info_read = nullptr;
  decltype(&::curl_multi_strerror) multi_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
  decltype(&::curl_version_info) version_info = nullptr;
  decltype(&::curl_global_init) global_init = nullptr;
};

// The library, immortal. Unsupported: not installed (the message names the package), too old, or
// its initialisation failed; a later call tries again.
Result<const CurlApi*> load_curl();

}  // namespace litestream
