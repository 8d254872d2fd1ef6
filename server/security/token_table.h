#pragma once

#include <grpcpp/grpcpp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace slotmatch {

// What a token may be used for; bits.
enum Role : uint8_t { kRoleInfer = 1, kRoleAdmin = 2, kRoleMetrics = 4 };

// One line of a token file: who, for what, and the SHA-256 of the token, which itself is stored
// nowhere.
struct TokenEntry {
  std::string name;
  uint8_t roles = 0;
  std::array<uint8_t, 32> digest;
};

// Lines "NAME ROLE[,ROLE...] SHA256HEX"; '#' begins a comment. INVALID_ARGUMENT names line and
// mistake: a role that is none, a digest that is no SHA-256, a name or digest given twice.
absl::StatusOr<std::vector<TokenEntry>> ParseTokens(const std::string& text);

// Who may call what: bearer tokens against a token file, which may be replaced while the server
// runs. Thread-safe.
class TokenTable {
 public:
  // Reads the file. kNotFound; kFailedPrecondition for a file that is wrong or has no token.
  static absl::StatusOr<std::unique_ptr<TokenTable>> Open(const std::string& path);

  // Reads the file again when it has changed. A file that is wrong leaves the old tokens in force
  // and is reported, once per change.
  absl::Status ReloadIfChanged();

  // `authorization` is the header's value, "Bearer TOKEN". The caller's name; UNAUTHENTICATED
  // without or with an unknown token, PERMISSION_DENIED when it lacks the role. The time taken
  // depends on neither the token nor the entry it matches.
  absl::StatusOr<std::string> Check(absl::string_view authorization, Role role) const;

 private:
  explicit TokenTable(std::string path) : path_(std::move(path)) {}
  using Entries = std::vector<TokenEntry>;
  absl::StatusOr<std::shared_ptr<const Entries>> Read();

  const std::string path_;
  std::string read_digest_;  // SHA-256 of the file when last read; of the reloading thread
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Entries> entries_ ABSL_GUARDED_BY(mutex_);
};

// Who may call.
struct CallGuard {
  const TokenTable* tokens = nullptr;     // null: no token is asked for
  std::vector<std::string> client_names;  // TlsConfig.client_names
};

// Whether a call may do what `role` is for. The caller's name in the token table, empty without
// one; statuses of Check(), and PERMISSION_DENIED for a TLS client whose certificate bears none of
// the names.
absl::StatusOr<std::string> Authorize(const CallGuard& guard,
                                      const grpc::CallbackServerContext& call, Role role);

}  // namespace slotmatch
