#pragma once

#include <string>

namespace slotmatch {

// Certificates made on the spot, PEM, valid for a day. ECDSA P-256.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

// An authority that signed itself.
TestCertificate MakeAuthority(const std::string& name);
// For servers at localhost and 127.0.0.1, and for clients; signed by `authority`.
TestCertificate MakeCertificate(const std::string& name, const TestCertificate& authority);

}  // namespace slotmatch
