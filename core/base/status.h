#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Propagates a failed status to the caller.
#define SM_RETURN_IF_ERROR(expr)                                               \
  do {                                                                         \
    if (absl::Status sm_status_ = (expr); !sm_status_.ok()) return sm_status_; \
  } while (false)

#define SM_CONCAT_INNER_(a, b) a##b
#define SM_CONCAT_(a, b) SM_CONCAT_INNER_(a, b)

// SM_ASSIGN_OR_RETURN(auto x, F()): x = the value of F(), or returns F()'s status.
#define SM_ASSIGN_OR_RETURN(lhs, expr) \
  SM_ASSIGN_OR_RETURN_IMPL_(SM_CONCAT_(sm_status_or_, __LINE__), lhs, expr)
#define SM_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = *std::move(tmp)

namespace slotmatch {

// `status` with "context: " before its message; OK stays OK.
absl::Status Annotate(const absl::Status& status, const std::string& context);

// The sysexits.h exit code of a program that ends with `status`: 0 ok, 64 usage
// (kInvalidArgument), 65 bad data (kDataLoss), 66 no input (kNotFound), 69 unavailable,
// 70 internal, 73 cannot create (kAlreadyExists), 74 I/O (kAborted), 75 temporary
// (kResourceExhausted, kDeadlineExceeded), 77 permission, 78 configuration
// (kFailedPrecondition), 130 interrupted (kCancelled).
int ExitCode(const absl::Status& status);

// Prints "program: message" to stderr unless ok; returns ExitCode(status). The last line of a main.
int ExitStatus(const char* program, const absl::Status& status);

}  // namespace slotmatch
