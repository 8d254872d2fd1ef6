#include "server/rpc/session_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace slotmatch {
namespace {

class MockSession : public LiveSession {
 public:
  MOCK_METHOD(void, Tick, (absl::Time), (override));
  MOCK_METHOD(void, Leave, (), (override));
  MOCK_METHOD(void, DropWaiting, (), (override));
  MOCK_METHOD(void, EndWith, (EndCause, const absl::Status&), (override));
  MOCK_METHOD(SessionReport, Report, (), (const, override));
};

TEST(SessionRegistry, GivesIdsOfTheirOwn) {
  SessionRegistry registry(100);
  std::set<std::string> ids;
  std::vector<std::shared_ptr<MockSession>> sessions;
  for (int i = 0; i < 100; ++i) {
    sessions.push_back(std::make_shared<MockSession>());
    ids.insert(registry.Admit(sessions.back()).value());
  }
  EXPECT_EQ(ids.size(), 100u);
  EXPECT_EQ(registry.size(), 100u);
}

TEST(SessionRegistry, RefusesWhenFullUntilAPlaceIsGivenBack) {
  SessionRegistry registry(1);
  const auto session = std::make_shared<MockSession>();
  const std::string id = registry.Admit(session).value();
  EXPECT_THAT(registry.Admit(session),
              FailsWith(absl::StatusCode::kResourceExhausted, "all 1 sessions"));
  registry.Remove("another");
  EXPECT_FALSE(registry.Admit(session).ok());
  registry.Remove(id);
  registry.Remove(id);
  const auto again = registry.Admit(session);
  ASSERT_THAT(again, IsOk());
  EXPECT_NE(*again, id);
}

TEST(SessionRegistry, PeersHaveTheirOwnLimit) {
  SessionRegistry registry(10, 2);
  const auto session = std::make_shared<MockSession>();
  const std::string first = registry.Admit(session, "ipv4:10.0.0.7:1000").value();
  ASSERT_THAT(registry.Admit(session, "ipv4:10.0.0.7:2000"), IsOk());
  EXPECT_THAT(registry.Admit(session, "ipv4:10.0.0.7:3000"),
              FailsWith(absl::StatusCode::kResourceExhausted, "all 2 sessions of ipv4:10.0.0.7"));
  EXPECT_THAT(registry.Admit(session, "ipv4:10.0.0.8:1000"), IsOk());
  EXPECT_THAT(registry.Admit(session, "ipv6:%5B::1%5D:1000"), IsOk());
  registry.Release(first);
  EXPECT_THAT(registry.Admit(session, "ipv4:10.0.0.7:3000"), IsOk());
}

TEST(SessionRegistry, ReleasedPlaceIsFreeWhileItsSessionIsStillWaitedFor) {
  SessionRegistry registry(1);
  const auto first = std::make_shared<MockSession>(), second = std::make_shared<MockSession>();
  const std::string id = registry.Admit(first).value();
  registry.Release("another");
  EXPECT_FALSE(registry.Admit(second).ok());
  registry.Release(id);
  registry.Release(id);
  EXPECT_THAT(registry.Admit(second), IsOk());
  EXPECT_FALSE(registry.Admit(first).ok());
  EXPECT_EQ(registry.size(), 2u);
  registry.Remove(id);
  EXPECT_EQ(registry.size(), 1u);
}

TEST(SessionRegistry, RefusesWhileDraining) {
  SessionRegistry registry(1);
  registry.BeginDrain();
  EXPECT_THAT(registry.Admit(std::make_shared<MockSession>()),
              FailsWith(absl::StatusCode::kUnavailable, "shutting down"));
}

TEST(SessionRegistry, WaitsUntilTheLastSessionHasGone) {
  SessionRegistry registry(2);
  EXPECT_TRUE(registry.WaitUntilEmpty(absl::Now()));
  const auto session = std::make_shared<MockSession>();
  const std::string id = registry.Admit(session).value();
  EXPECT_FALSE(registry.WaitUntilEmpty(absl::Now() + absl::Milliseconds(5)));
  std::thread remover([&] {
    absl::SleepFor(absl::Milliseconds(20));
    registry.Remove(id);
  });
  EXPECT_TRUE(registry.WaitUntilEmpty(absl::Now() + absl::Seconds(20)));
  remover.join();
}

TEST(SessionRegistry, TellsEveryLivingSession) {
  SessionRegistry registry(3);
  const absl::Time now = absl::Now();
  const absl::Status status = absl::UnavailableError("bye");
  const auto a = std::make_shared<MockSession>(), b = std::make_shared<MockSession>();
  for (const auto& session : {a, b}) {
    EXPECT_CALL(*session, Tick(now));
    EXPECT_CALL(*session, Leave());
    EXPECT_CALL(*session, DropWaiting());
    EXPECT_CALL(*session, EndWith(EndCause::kDraining, status));
    ASSERT_THAT(registry.Admit(session), IsOk());
  }
  {
    const auto gone = std::make_shared<MockSession>();
    EXPECT_CALL(*gone, EndWith).Times(0);
    ASSERT_THAT(registry.Admit(gone), IsOk());
  }
  registry.TickAll(now);
  registry.LeaveAll();
  registry.DropAllWaiting();
  registry.EndAll(status);
}

TEST(SessionRegistry, SessionsMayRemoveThemselvesWhenTold) {
  SessionRegistry registry(1);
  const auto session = std::make_shared<MockSession>();
  const std::string id = registry.Admit(session).value();
  EXPECT_CALL(*session, EndWith).WillOnce([&](EndCause, const absl::Status&) {
    registry.Remove(id);
  });
  registry.EndAll(absl::UnavailableError("bye"));
  EXPECT_EQ(registry.size(), 0u);
}

TEST(SessionRegistry, ReportsWithIdsAndEndsOneOrAModels) {
  SessionRegistry registry(10);
  std::vector<std::shared_ptr<testing::NiceMock<MockSession>>> sessions;
  std::vector<std::string> ids;
  for (const char* version : {"1", "2", "1"}) {
    SessionReport report;
    report.AddModel({"a", version});
    if (sessions.empty()) report.AddModel({"b", "1"});  // a call may use several
    sessions.push_back(std::make_shared<testing::NiceMock<MockSession>>());
    ON_CALL(*sessions.back(), Report).WillByDefault(testing::Return(report));
    ids.push_back(registry.Admit(sessions.back()).value());
  }
  const auto reports = registry.Reports();
  ASSERT_EQ(reports.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(reports[i].id, ids[i]);
  const absl::Status bye = absl::AbortedError("bye");
  EXPECT_CALL(*sessions[1], EndWith(EndCause::kClosed, bye));
  EXPECT_TRUE(registry.Close(ids[1], bye));
  EXPECT_FALSE(registry.Close("another", bye));
  for (const int i : {0, 2}) {
    EXPECT_CALL(*sessions[i], EndWith(EndCause::kModelUnloaded, bye));
  }
  EXPECT_EQ(registry.EndModel("a", "1", bye), 2);
  EXPECT_EQ(registry.EndModel("b", "2", bye), 0);
  EXPECT_CALL(*sessions[0], EndWith(EndCause::kModelUnloaded, bye));
  EXPECT_EQ(registry.EndModel("b", "1", bye), 1);
}

}  // namespace
}  // namespace slotmatch
