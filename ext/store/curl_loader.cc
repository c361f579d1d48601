#include "ext/store/curl_loader.h"

#include <dlfcn.h>

#include <array>
#include <cstdint>
#include <mutex>

namespace litestream {
namespace {

constexpr std::array<const char*, 2> kNames = {"libcurl.so.4", "libcurl-gnutls.so.4"};
constexpr unsigned kVersionMin = 0x074200;  // 7.66: curl_multi_poll

// Sanitizers replace malloc and refuse libraries that would bind past them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

template <typename Function>
bool find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(::dlsym(library, name));
  return *function != nullptr;
}

bool find_all(void* library, CurlApi* api) {
  return find(library, "curl_easy_init", &api->easy_init) &&
         find(library, "curl_easy_cleanup", &api->easy_cleanup) &&
         find(library, "curl_easy_reset", &api->easy_reset) &&
         find(library, "curl_easy_setopt", &api->easy_setopt) &&
         find(library, "curl_easy_getinfo", &api->easy_getinfo) &&
         find(library, "curl_easy_strerror", &api->easy_strerror) &&
         find(library, "curl_multi_init", &api->multi_init) &&
         find(library, "curl_multi_cleanup", &api->multi_cleanup) &&
         find(library, "curl_multi_setopt", &api->multi_setopt) &&
         find(library, "curl_multi_add_handle", &api->multi_add_handle) &&
         find(library, "curl_multi_remove_handle", &api->multi_remove_handle) &&
         find(library, "curl_multi_perform", &api->multi_perform) &&
         find(library, "curl_multi_poll", &api->multi_poll) &&
         find(library, "curl_multi_info_read", &api->multi_info_read) &&
         find(library, "curl_multi_strerror", &api->multi_strerror) &&
         find(library, "curl_slist_append", &api->slist_append) &&
         find(library, "curl_slist_free_all", &api->slist_free_all) &&
         find(library, "curl_version_info", &api->version_info) &&
         find(library, "curl_global_init", &api->global_init);
}

// OpenSSL's own exit handler would run before ours, which may still upload the last commits: ask it
// not to register one. No OpenSSL behind this libcurl, or initialised by the host already: nothing
// happens.
void keep_openssl_until_the_end(void* library) {
  using InitSsl = int (*)(uint64_t options, const void* settings);
  constexpr uint64_t kNoAtexit = 0x00080000;  // OPENSSL_INIT_NO_ATEXIT
  InitSsl init = nullptr;
  if (find(library, "OPENSSL_init_ssl", &init)) (void)init(kNoAtexit, nullptr);
}

Result<const CurlApi*> load() {
  void* library = nullptr;
  for (const char* name : kNames) {
    library = ::dlopen(name, kFlags);
    if (library != nullptr) break;
  }
  if (library == nullptr) {
    const char* why = ::dlerror();
    return unsupported("remote replicas need libcurl; install the package libcurl4 (" +
                       std::string(why == nullptr ? "not found" : why) + ")");
  }
  static CurlApi api;
  CurlApi found;
  if (!find_all(library, &found)) {
    return unsupported("this libcurl lacks functions; remote replicas need 7.66 or newer");
  }
  const curl_version_info_data* version = found.version_info(CURLVERSION_NOW);
  if (version == nullptr || version->version_num < kVersionMin) {
    return unsupported("remote replicas need libcurl 7.66 or newer");
  }
  keep_openssl_until_the_end(library);
  if (found.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return unsupported("libcurl could not be initialised");
  }
  api = found;
  return &api;
}

}  // namespace

Result<const CurlApi*> load_curl() {
  static std::mutex* const mutex = new std::mutex;
  static const CurlApi* loaded = nullptr;
  const std::lock_guard lock(*mutex);
  if (loaded != nullptr) return loaded;
  LS_ASSIGN_OR_RETURN(loaded, load());
  return loaded;
}

}  // namespace litestream
