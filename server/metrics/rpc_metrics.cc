#include "server/metrics/rpc_metrics.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildHistogram;
using prometheus::Histogram;

// gRPC codes by number, spelled as go-grpc-middleware does.
const std::vector<std::string>& CodeNames() {
  static const auto& names = *new std::vector<std::string>{
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return names;
}

struct MethodRow {
  const char* service;
  const char* type;
  const char* method;
};
constexpr char kService[] = "slotmatch.v1.SlotMatchService";
constexpr char kKServe[] = "inference.GRPCInferenceService";
constexpr char kAdmin[] = "slotmatch.v1.AdminService";
// Method names are unique over the services.
constexpr MethodRow kMethods[] = {
    {kService, "bidi_stream", "Segment"}, {kService, "unary", "SegmentFrame"},
    {kService, "unary", "SegmentClip"},   {kService, "unary", "ListModels"},
    {kService, "unary", "GetServerInfo"}, {kKServe, "unary", "ServerLive"},
    {kKServe, "unary", "ServerReady"},    {kKServe, "unary", "ModelReady"},
    {kKServe, "unary", "ServerMetadata"}, {kKServe, "unary", "ModelMetadata"},
    {kKServe, "unary", "ModelConfig"},    {kKServe, "unary", "RepositoryIndex"},
    {kKServe, "unary", "ModelInfer"},     {kKServe, "bidi_stream", "ModelStreamInfer"},
    {kAdmin, "unary", "ListSessions"},    {kAdmin, "unary", "CloseSession"},
    {kAdmin, "unary", "GetStats"},        {kAdmin, "unary", "SetLogLevel"},
    {kAdmin, "unary", "StartTrace"},      {kAdmin, "server_stream", "StopTrace"},
    {kAdmin, "unary", "Drain"},           {kAdmin, "unary", "ListModelVersions"},
    {kAdmin, "unary", "LoadModel"},       {kAdmin, "unary", "UnloadModel"},
    {kAdmin, "unary", "ReloadModel"},
};

}  // namespace

const Histogram::BucketBoundaries& DurationBuckets() {
  static const auto& buckets =
      *new Histogram::BucketBoundaries{1, 5, 15, 60, 300, 900, 3600, 14400, 86400};
  return buckets;
}

RpcMetrics::RpcMetrics(prometheus::Registry* registry) {
  auto& started =
      BuildCounter().Name("grpc_server_started_total").Help("RPCs started.").Register(*registry);
  auto& handled = BuildCounter()
                      .Name("grpc_server_handled_total")
                      .Help("RPCs ended, by code.")
                      .Register(*registry);
  auto& in = BuildCounter()
                 .Name("grpc_server_msg_received_total")
                 .Help("Messages received.")
                 .Register(*registry);
  auto& out =
      BuildCounter().Name("grpc_server_msg_sent_total").Help("Messages sent.").Register(*registry);
  auto& seconds = BuildHistogram()
                      .Name("grpc_server_handling_seconds")
                      .Help("Length of RPCs.")
                      .Register(*registry);
  for (const MethodRow& row : kMethods) {
    const prometheus::Labels labels = {
        {"grpc_type", row.type}, {"grpc_service", row.service}, {"grpc_method", row.method}};
    started_[row.method] = &started.Add(labels);
    received_[row.method] = &in.Add(labels);
    sent_[row.method] = &out.Add(labels);
    seconds_[row.method] = &seconds.Add(labels, DurationBuckets());
    for (const std::string& code : CodeNames()) {
      prometheus::Labels with_code = labels;
      with_code["grpc_code"] = code;
      handled_[absl::StrCat(row.method, code)] = &handled.Add(with_code);
    }
  }
}

void RpcMetrics::Started(const std::string& method) { started_.at(method)->Increment(); }

void RpcMetrics::Message(const std::string& method, bool received) {
  (received ? received_ : sent_).at(method)->Increment();
}

void RpcMetrics::Handled(const std::string& method, int code, absl::Duration duration) {
  handled_.at(method + CodeNames().at(code))->Increment();
  seconds_.at(method)->Observe(absl::ToDoubleSeconds(duration));
}

}  // namespace slotmatch
