#include "server/security/token_table.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxTokenBytes = 4096;
constexpr absl::string_view kScheme = "Bearer ";

struct RoleRow {
  const char* name;
  Role role;
};
constexpr RoleRow kRoles[] = {
    {"infer", kRoleInfer}, {"admin", kRoleAdmin}, {"metrics", kRoleMetrics}};

const char* NameOf(Role role) {
  for (const RoleRow& row : kRoles) {
    if (row.role == role) return row.name;
  }
  return "?";
}

absl::StatusOr<uint8_t> ParseRoles(absl::string_view text) {
  uint8_t roles = 0;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    const uint8_t before = roles;
    for (const RoleRow& row : kRoles) {
      if (word == row.name) roles |= row.role;
    }
    if (roles == before) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", word, "' is no role; there are infer, admin and metrics"));
    }
  }
  return roles;
}

bool ParseDigest(absl::string_view hex, std::array<uint8_t, 32>* digest) {
  if (hex.size() != 2 * digest->size()) return false;
  for (const char c : hex) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  std::copy(bytes.begin(), bytes.end(), digest->begin());
  return true;
}

absl::StatusOr<TokenEntry> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  if (words.size() != 3) {
    return absl::InvalidArgumentError("it must be NAME ROLE[,ROLE] SHA256-OF-THE-TOKEN");
  }
  TokenEntry entry;
  entry.name = std::string(words[0]);
  SM_ASSIGN_OR_RETURN(entry.roles, ParseRoles(words[1]));
  if (!ParseDigest(words[2], &entry.digest)) {
    return absl::InvalidArgumentError("the last word is no SHA-256 in hex (64 digits)");
  }
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<TokenEntry>> ParseTokens(const std::string& text) {
  std::vector<TokenEntry> entries;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    absl::StatusOr<TokenEntry> entry = ParseLine(line);
    if (!entry.ok()) return Annotate(entry.status(), absl::StrCat("line ", number));
    for (const TokenEntry& other : entries) {
      if (other.name == entry->name || other.digest == entry->digest) {
        return absl::InvalidArgumentError(absl::StrCat("line ", number, ": name or token of '",
                                                       entry->name, "' was given before"));
      }
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

absl::StatusOr<std::unique_ptr<TokenTable>> TokenTable::Open(const std::string& path) {
  std::unique_ptr<TokenTable> table(new TokenTable(path));
  SM_ASSIGN_OR_RETURN(auto entries, table->Read());
  absl::MutexLock lock(&table->mutex_);
  table->entries_ = std::move(entries);
  return table;
}

absl::StatusOr<std::shared_ptr<const TokenTable::Entries>> TokenTable::Read() {
  SM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path_, kMaxFileBytes));
  read_digest_ = Sha256Hex(text);
  absl::StatusOr<Entries> entries = ParseTokens(text);
  if (!entries.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": ", entries.status().message()));
  }
  if (entries->empty()) return absl::FailedPreconditionError(path_ + " names no token");
  return std::make_shared<const Entries>(*std::move(entries));
}

absl::Status TokenTable::ReloadIfChanged() {
  SM_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path_));
  if (digest == read_digest_) return absl::OkStatus();
  SM_ASSIGN_OR_RETURN(auto entries, Read());
  absl::MutexLock lock(&mutex_);
  entries_ = std::move(entries);
  return absl::OkStatus();
}

absl::StatusOr<std::string> TokenTable::Check(absl::string_view authorization, Role role) const {
  if (!absl::StartsWithIgnoreCase(authorization, kScheme) ||
      authorization.size() > kMaxTokenBytes) {
    return absl::UnauthenticatedError("this server wants metadata 'authorization: Bearer TOKEN'");
  }
  std::array<uint8_t, 32> digest;
  ParseDigest(Sha256Hex(std::string(authorization.substr(kScheme.size()))), &digest);
  std::shared_ptr<const Entries> entries;
  {
    absl::MutexLock lock(&mutex_);
    entries = entries_;
  }
  const TokenEntry* found = nullptr;
  for (const TokenEntry& entry : *entries) {  // all of them, so that time tells nothing
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  if (found == nullptr) return absl::UnauthenticatedError("the bearer token is not known");
  if ((found->roles & role) == 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("the token of '", found->name, "' lacks the role ", NameOf(role)));
  }
  return found->name;
}

namespace {

// Of a connection without TLS (one to a loopback port) nothing is asked.
absl::Status CheckClientName(const std::vector<std::string>& names, const grpc::AuthContext& auth) {
  if (names.empty() ||
      auth.FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME).empty()) {
    return absl::OkStatus();
  }
  std::vector<grpc::string_ref> shown = auth.FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME);
  if (shown.empty()) shown = auth.FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  for (const grpc::string_ref& name : shown) {
    for (const std::string& allowed : names) {
      if (absl::string_view(name.data(), name.size()) == allowed) return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError(
      "the client's certificate bears none of the names in security.tls.client_names");
}

}  // namespace

absl::StatusOr<std::string> Authorize(const CallGuard& guard,
                                      const grpc::CallbackServerContext& call, Role role) {
  SM_RETURN_IF_ERROR(CheckClientName(guard.client_names, *call.auth_context()));
  if (guard.tokens == nullptr) return std::string();
  const auto& metadata = call.client_metadata();
  const auto it = metadata.find("authorization");
  absl::string_view value;
  if (it != metadata.end()) value = {it->second.data(), it->second.size()};
  return guard.tokens->Check(value, role);
}

}  // namespace slotmatch
