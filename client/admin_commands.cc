#include "client/admin_commands.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "core/base/files.h"
#include "core/base/status.h"
#include "core/base/text_table.h"
#include "google/protobuf/util/json_util.h"

namespace slotmatch {
namespace {

using Stub = v1::AdminService::Stub;

template <typename Request, typename Response>
absl::StatusOr<Response> Ask(const AdminCall& call, const Request& request,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*)) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + call.patience));
  Response response;
  SM_RETURN_IF_ERROR(FromGrpc((call.stub.get()->*method)(&context, request, &response)));
  return response;
}

void Print(const AdminCall& call, const google::protobuf::Message& response,
           const std::string& text) {
  if (!call.json) {
    std::printf("%s", text.c_str());
    return;
  }
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  if (google::protobuf::util::MessageToJsonString(response, &json, options).ok()) {
    std::printf("%s", json.c_str());
  }
}

const char* NameOf(v1::ModelState state) {
  switch (state) {
    case v1::MODEL_STATE_LOADING:
      return "loading";
    case v1::MODEL_STATE_READY:
      return "ready";
    case v1::MODEL_STATE_RETIRING:
      return "retiring";
    default:
      return "?";
  }
}

std::vector<std::string> RowOf(const v1::ModelVersion& model) {
  return {model.name(),
          model.version(),
          NameOf(model.state()),
          absl::StrCat(model.sessions(), " sessions"),
          model.digest().substr(0, 12),
          model.path(),
          model.is_default()   ? "default"
          : model.is_current() ? "current"
                               : ""};
}

std::string TableOf(const v1::ModelVersion& model) { return AlignedTable({RowOf(model)}); }

absl::Status Sessions(const AdminCall& call) {
  SM_ASSIGN_OR_RETURN(const auto response,
                      Ask(call, v1::ListSessionsRequest(), &Stub::ListSessions));
  TextRows rows = {{"SESSION", "METHOD", "CLIENT", "PEER", "MODEL", "AGE_S", "IN", "OUT", "FAILED",
                    "DROPPED", "CREDITS", "INSIDE", "UNREAD"}};
  for (const v1::SessionInfo& session : response.sessions()) {
    rows.push_back({session.session_id(), session.method(),
                    session.client().empty() ? "-" : session.client(), session.peer(),
                    absl::StrCat(session.model(), "/", session.version()),
                    absl::StrFormat("%.1f", static_cast<double>(session.age_ms()) / 1000),
                    absl::StrCat(session.frames_received()),
                    absl::StrCat(session.frames_answered()), absl::StrCat(session.frames_failed()),
                    absl::StrCat(session.frames_dropped()), absl::StrCat(session.credits()),
                    absl::StrCat(session.frames_inside()), absl::StrCat(session.unread())});
  }
  Print(call, response, AlignedTable(rows));
  return absl::OkStatus();
}

absl::Status Close(const AdminCall& call) {
  v1::CloseSessionRequest request;
  request.set_session_id(call.arguments[0]);
  return Ask(call, request, &Stub::CloseSession).status();
}

absl::Status Stats(const AdminCall& call) {
  SM_ASSIGN_OR_RETURN(const auto stats, Ask(call, v1::GetStatsRequest(), &Stub::GetStats));
  const TextRows rows = {
      {"version", absl::StrCat(stats.version(), " ", stats.commit())},
      {"uptime_s", absl::StrFormat("%.1f", static_cast<double>(stats.uptime_ms()) / 1000)},
      {"draining", stats.draining() ? "yes" : "no"},
      {"sessions", absl::StrCat(stats.sessions(), " of ", stats.session_capacity())},
      {"frames_received", absl::StrCat(stats.frames_received())},
      {"frames_processed", absl::StrCat(stats.frames_processed())},
      {"frames_failed", absl::StrCat(stats.frames_failed())},
      {"frames_dropped", absl::StrCat(stats.frames_dropped())},
      {"frames_waiting", absl::StrCat(stats.frames_waiting())},
      {"jobs_waiting", absl::StrCat(stats.jobs_waiting())},
      {"busy_s", absl::StrFormat("%.1f", stats.busy_seconds())},
      {"resident_mb", absl::StrCat(stats.resident_bytes() >> 20)},
      {"log_level", stats.log_level()},
      {"tracing", stats.tracing() ? "yes" : "no"}};
  Print(call, stats, AlignedTable(rows));
  return absl::OkStatus();
}

absl::Status SetLevel(const AdminCall& call) {
  v1::SetLogLevelRequest request;
  request.set_level(call.arguments[0]);
  SM_ASSIGN_OR_RETURN(const auto response, Ask(call, request, &Stub::SetLogLevel));
  Print(call, response, absl::StrCat("it was ", response.previous(), "\n"));
  return absl::OkStatus();
}

absl::Status TraceStart(const AdminCall& call) {
  v1::StartTraceRequest request;
  request.set_max_frames(static_cast<uint32_t>(call.max_frames));
  return Ask(call, request, &Stub::StartTrace).status();
}

absl::Status TraceStop(const AdminCall& call) {
  if (call.out.empty()) return absl::InvalidArgumentError("--out FILE is needed");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + call.patience));
  const auto stream = call.stub->StopTrace(&context, v1::StopTraceRequest());
  v1::StopTraceResponse piece;
  std::string json;
  while (stream->Read(&piece)) json += piece.json();
  SM_RETURN_IF_ERROR(FromGrpc(stream->Finish()));
  SM_RETURN_IF_ERROR(WriteFileAtomically(call.out, json));
  std::printf("%s: open it in chrome://tracing or ui.perfetto.dev\n", call.out.c_str());
  return absl::OkStatus();
}

absl::Status Drain(const AdminCall& call) {
  return Ask(call, v1::DrainRequest(), &Stub::Drain).status();
}

absl::Status Models(const AdminCall& call) {
  SM_ASSIGN_OR_RETURN(const auto response,
                      Ask(call, v1::ListModelVersionsRequest(), &Stub::ListModelVersions));
  TextRows rows;
  for (const v1::ModelVersion& model : response.models()) rows.push_back(RowOf(model));
  Print(call, response, AlignedTable(rows));
  return absl::OkStatus();
}

// NAME and, if there is one, VERSION.
template <typename Request>
Request NameAndVersion(const AdminCall& call) {
  Request request;
  if (!call.arguments.empty()) request.set_name(call.arguments[0]);
  if (call.arguments.size() > 1) request.set_version(call.arguments[1]);
  return request;
}

absl::Status Load(const AdminCall& call) {
  SM_ASSIGN_OR_RETURN(const auto response,
                      Ask(call, NameAndVersion<v1::LoadModelRequest>(call), &Stub::LoadModel));
  Print(call, response, TableOf(response.model()));
  return absl::OkStatus();
}

absl::Status Unload(const AdminCall& call) {
  auto request = NameAndVersion<v1::UnloadModelRequest>(call);
  request.set_end_sessions(call.end_sessions);
  SM_ASSIGN_OR_RETURN(const auto response, Ask(call, request, &Stub::UnloadModel));
  Print(call, response,
        absl::StrCat(response.versions(), " versions retire, ", response.sessions_ended(),
                     " sessions ended\n"));
  return absl::OkStatus();
}

absl::Status Reload(const AdminCall& call) {
  SM_ASSIGN_OR_RETURN(const auto response,
                      Ask(call, NameAndVersion<v1::ReloadModelRequest>(call), &Stub::ReloadModel));
  Print(call, response,
        absl::StrCat(response.changed() ? "" : "unchanged: ", TableOf(response.model())));
  return absl::OkStatus();
}

}  // namespace

const std::vector<AdminCommand>& AdminCommands() {
  static const auto& commands = *new std::vector<AdminCommand>{
      {"sessions", "", 0, 0, "who is there", Sessions},
      {"close", "SESSION", 1, 1, "end a session", Close},
      {"stats", "", 0, 0, "counts, queues, memory", Stats},
      {"log-level", "LEVEL", 1, 1, "trace, debug, info, warning or error", SetLevel},
      {"trace-start", "", 0, 0, "record the stages of every frame (--max-frames)", TraceStart},
      {"trace-stop", "", 0, 0, "write what was recorded (--out)", TraceStop},
      {"drain", "", 0, 0, "stop the server as SIGTERM does", Drain},
      {"models", "", 0, 0, "versions in memory, their state and sessions", Models},
      {"load", "NAME [VERSION]", 1, 2, "load a version beside the others, and make it current",
       Load},
      {"unload", "NAME [VERSION]", 1, 2, "give it to no new session (--end-sessions)", Unload},
      {"reload", "[NAME [VERSION]]", 0, 2, "put a version in the place of all others", Reload},
  };
  return commands;
}

}  // namespace slotmatch
