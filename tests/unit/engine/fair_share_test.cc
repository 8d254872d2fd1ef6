#include "core/engine/fair_share.h"

#include <gtest/gtest.h>

#include <string>

namespace slotmatch {
namespace {

// Serves whoever is next among `waiting` and says who it was.
template <typename Key>
Key Serve(FairShare<Key>* share, const std::map<Key, double>& waiting) {
  Key next = waiting.begin()->first;
  for (const auto& [key, weight] : waiting) {
    if (share->Start(key) < share->Start(next)) next = key;
  }
  share->Charge(next, waiting.at(next));
  return next;
}

TEST(FairShare, TurnsAreInTheRatioOfTheWeights) {
  FairShare<std::string> share;
  std::map<std::string, int> served;
  for (int i = 0; i < 130; ++i) {
    ++served[Serve<std::string>(&share, {{"a", 8}, {"b", 4}, {"c", 1}})];
  }
  EXPECT_EQ(served["a"], 80);
  EXPECT_EQ(served["b"], 40);
  EXPECT_EQ(served["c"], 10);
}

TEST(FairShare, WhoWasAwayGetsNoCredit) {
  FairShare<std::string> share;
  for (int i = 0; i < 100; ++i) Serve<std::string>(&share, {{"a", 1}});
  std::string order;
  for (int i = 0; i < 6; ++i) order += Serve<std::string>(&share, {{"a", 1}, {"b", 1}});
  EXPECT_TRUE(order == "bababa" || order == "ababab") << order;
}

TEST(FairShare, ManyKeysThatCameOnceDoNotDisturbTheOthers) {
  FairShare<int> share;
  for (int key = 0; key < 10000; ++key) share.Charge(key, 1);
  int first = 0;
  for (int i = 0; i < 100; ++i) first += Serve<int>(&share, {{-1, 1}, {-2, 1}}) == -1;
  EXPECT_EQ(first, 50);
}

}  // namespace
}  // namespace slotmatch
