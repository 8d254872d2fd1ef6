#include "server/security/server_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/certificates.h"
#include "tests/support/server_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace slotmatch {
namespace {

class ServerCredentialsTest : public ServerFixture {
 protected:
  ServerCredentialsTest() {
    Install(MakeCertificate("server", authority_));
    dir_.Write("ca.pem", authority_.certificate);
    tls().set_certificate_file(dir_.File("cert.pem"));
    tls().set_key_file(dir_.File("key.pem"));
    tls().set_reload_interval_s(1);
  }
  config::TlsConfig& tls() { return *config_.mutable_security()->mutable_tls(); }
  void Install(const TestCertificate& certificate) {
    dir_.Write("cert.pem", certificate.certificate);
    dir_.Write("key.pem", certificate.key);
  }

  // OK when a client that trusts `authority` and shows `own` gets an answer.
  grpc::StatusCode Call(const TestCertificate& authority, const TestCertificate& own = {}) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = authority.certificate;
    options.pem_cert_chain = own.certificate;
    options.pem_private_key = own.key;
    return CallWith(grpc::SslCredentials(options));
  }
  grpc::StatusCode CallWith(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel("localhost:" + std::to_string(app_->grpc_port()),
                                                   credentials, arguments);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::ListModelsResponse response;
    return v1::SlotMatchService::NewStub(channel)->ListModels(&context, {}, &response).error_code();
  }

  const TempDir dir_;
  const TestCertificate authority_ = MakeAuthority("authority");
  const TestCertificate stranger_ = MakeAuthority("stranger");
};

TEST_F(ServerCredentialsTest, ClientThatTrustsTheAuthorityIsServedAndOthersAreNot) {
  StartApp();
  EXPECT_EQ(Call(authority_), grpc::StatusCode::OK);
  EXPECT_EQ(Call(stranger_), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallWith(grpc::InsecureChannelCredentials()), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerCredentialsTest, MutualTlsWantsACertificateOfTheClientAuthority) {
  tls().set_client_ca_file(dir_.File("ca.pem"));
  StartApp();
  EXPECT_EQ(Call(authority_, MakeCertificate("client", authority_)), grpc::StatusCode::OK);
  EXPECT_EQ(Call(authority_), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(authority_, MakeCertificate("client", stranger_)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerCredentialsTest, ClientsMustBearOneOfTheNames) {
  tls().set_client_ca_file(dir_.File("ca.pem"));
  tls().add_client_names("nobody");
  StartApp();
  EXPECT_EQ(Call(authority_, MakeCertificate("client", authority_)),
            grpc::StatusCode::PERMISSION_DENIED);
  server_.app.reset();
  tls().add_client_names("localhost");  // an alternative name of the certificate
  StartApp();
  EXPECT_EQ(Call(authority_, MakeCertificate("client", authority_)), grpc::StatusCode::OK);
}

TEST_F(ServerCredentialsTest, RotatedCertificateIsTakenUpWithoutARestart) {
  StartApp();
  ASSERT_EQ(Call(authority_), grpc::StatusCode::OK);
  Install(MakeCertificate("server", stranger_));
  EXPECT_TRUE(Eventually([&] { return Call(stranger_) == grpc::StatusCode::OK; }));
  EXPECT_EQ(Call(authority_), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerCredentialsTest, WrongFilesAreNamedBeforeThePortOpens) {
  const auto expect = [&](const char* message) {
    EXPECT_THAT(MakeServerCredentials(tls()),
                FailsWith(absl::StatusCode::kFailedPrecondition, message));
  };
  dir_.Write("key.pem", stranger_.key);
  expect("does not belong to the certificate");
  dir_.Write("key.pem", "no key");
  expect("holds no private key");
  dir_.Write("cert.pem", "no certificate");
  expect("holds no certificate");
  tls().set_certificate_file(dir_.File("none.pem"));
  expect("security.tls.certificate_file");
  tls().clear_key_file();
  expect("needs both");
}

}  // namespace
}  // namespace slotmatch
