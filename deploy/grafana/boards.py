"""The dashboards. deploy/generate.py writes them to deploy/grafana/dashboards."""

from panels import board, curves, heat, stat, table

SERVERS = [("job", "Job", "label_values(slotmatch_build_info, job)"),
           ("instance", "Instance", 'label_values(slotmatch_build_info{job="$job"}, instance)')]
RUNS = [("job", "Job", "label_values(slotmatch_train_step, job)"),
        ("instance", "Instance", 'label_values(slotmatch_train_step{job="$job"}, instance)'),
        ("run", "Run", 'label_values(slotmatch_train_step{job="$job"}, run)')]
RED_FROM_1_PERCENT = (("green", None), ("orange", 0.01), ("red", 0.05))


def of(metric, more=""):
    """A metric of the servers that are chosen."""
    return metric + '{job="$job",instance=~"$instance"' + (more and "," + more) + "}"


def rate(metric, more=""):
    return f"rate({of(metric, more)}[$__rate_interval])"


def total(metric, by="", more=""):
    """Sum of rates."""
    return f"sum{f' by ({by}) ' if by else ''}({rate(metric, more)})"


def quantile(q, metric, by="", more=""):
    labels = by + ", le" if by else "le"
    return f"histogram_quantile({q}, {total(metric + '_bucket', labels, more)})"


def quantiles(metric, *qs):
    return {f"p{round(100 * q)}": quantile(q, metric) for q in qs}


def service():
    failed, done = total("slotmatch_frames_failed_total"), total("slotmatch_frames_processed_total")
    return board("slotmatch", "SlotMatch: service", [
        ("Now", [
            stat("Frames per second", "Frames that got a result.", done, decimals=1),
            stat("Sessions", "Open sessions.", f"sum({of('slotmatch_sessions_active')})"),
            stat("Load", "Of the fullest server.", f"max({of('slotmatch_load_ratio')})",
                 "percentunit", (("green", None), ("orange", 0.7), ("red", 0.95)), 0),
            stat("Frame latency p95", "From a frame's arrival to its result.",
                 quantile(0.95, "slotmatch_frame_latency_seconds"), "s",
                 (("green", None), ("orange", 0.5), ("red", 1))),
            stat("Failed frames", "Share of frames that ended without a result.",
                 f"{failed} / clamp_min({done} + {failed}, 1e-9)", "percentunit",
                 RED_FROM_1_PERCENT, 1),
            stat("Servers up", "Targets that answer scrapes.", f"sum({of('up')})",
                 steps=(("red", None), ("green", 1))),
        ]),
        ("Frames", [
            curves("Frames", "Received frames by codec, and those with a result.",
                   {"received {{codec}}": total("slotmatch_frames_received_total", "codec"),
                    "processed": done}, "reqps"),
            curves("Frames without a result", "Failed, and dropped by the session's frame policy.",
                   {"failed {{reason}}": total("slotmatch_frames_failed_total", "reason"),
                    "dropped {{reason}}": total("slotmatch_frames_dropped_total", "reason")},
                   "reqps", stacked=True),
            curves("Frame latency", "From a frame's arrival to its result being ready to send.",
                   quantiles("slotmatch_frame_latency_seconds", 0.5, 0.95, 0.99), "s"),
            heat("Frame latency, all frames", "Frames per bucket of latency.",
                 total("slotmatch_frame_latency_seconds_bucket", "le")),
        ]),
        ("Where the time goes", [
            curves("Stage duration p50", "queue: waiting for the model.",
                   {"{{stage}}": quantile(0.5, "slotmatch_frame_stage_duration_seconds", "stage")},
                   "s"),
            curves("Stage duration p95", "write_wait: waiting for the client to read.",
                   {"{{stage}}": quantile(0.95, "slotmatch_frame_stage_duration_seconds", "stage")},
                   "s"),
        ]),
        ("RPCs", [
            curves("RPCs started", "By method.", {"{{grpc_method}}": total(
                "grpc_server_started_total", "grpc_method")}, "ops"),
            curves("RPCs ended", "By method and status.", {"{{grpc_method}} {{grpc_code}}": total(
                "grpc_server_handled_total", "grpc_method, grpc_code") + " > 0"}, "ops"),
            curves("Messages", "Of all RPCs.",
                   {"received": total("grpc_server_msg_received_total"),
                    "sent": total("grpc_server_msg_sent_total")}, "ops"),
        ]),
        ("Processes", [
            curves("CPU", "Cores in use.", {"{{instance}}": rate("process_cpu_seconds_total")}),
            curves("Resident memory", "In RAM.",
                   {"{{instance}}": of("process_resident_memory_bytes")}, "bytes"),
            curves("Frame and result bytes", "As counted by the service.",
                   {"received": total("slotmatch_received_bytes_total"),
                    "sent": total("slotmatch_sent_bytes_total")}, "Bps"),
            curves("Open files", "Each connection is one.",
                   {"{{instance}}": of("process_open_fds")}),
            curves("Threads", "Of the process.", {"{{instance}}": of("process_threads")}),
            curves("Uptime and draining", "A drain shows as 1.",
                   {"up {{instance}}": f"time() - {of('process_start_time_seconds')}",
                    "draining {{instance}}": of("slotmatch_draining")}, "s"),
        ]),
    ], SERVERS)


def models():
    size = (f"{total('slotmatch_batch_size_sum', 'instance')} / "
            f"{total('slotmatch_batch_size_count', 'instance')}")
    return board("slotmatch-models", "SlotMatch: models and slots", [
        ("Models", [
            table("What runs", "Versions and digests of the served models.",
                  [of("slotmatch_model_info"), of("slotmatch_build_info")]),
            curves("Start-up", "Reading and checking a model, and its first computations.",
                   {"load {{model}}": of("slotmatch_model_load_seconds"),
                    "warm-up {{model}}": of("slotmatch_warmup_seconds")}, "s"),
        ]),
        ("Computing", [
            curves("Busy share", "Of the time the model was computing; 1: saturated.",
                   {"busy {{instance}}": rate("slotmatch_engine_busy_seconds_total"),
                    "load {{instance}}": of("slotmatch_load_ratio")}, "percentunit", most=1),
            curves("Batches per second", "Batches the model computed.",
                   {"{{instance}}": total("slotmatch_batch_executions_total", "instance")}, "ops"),
            curves("Batch size", "Frames computed together, on average.", {"{{instance}}": size}),
            curves("Queues", "Frames that wait for the model, tasks that wait for a worker.",
                   {"{{queue}}": f"sum by (queue) ({of('slotmatch_queue_depth')})"}),
            curves("Wait for the model p95", "By scheduling class.",
                   {"{{class}}": quantile(0.95, "slotmatch_queue_wait_seconds", "class")}, "s"),
            curves("Seconds per frame", "Busy time over frames with a result.",
                   {"{{instance}}":
                    f"{total('slotmatch_engine_busy_seconds_total', 'instance')} / "
                    f"{total('slotmatch_frames_processed_total', 'instance')}"}, "s"),
            curves("Frames bridged", "Left to the predictor for every computed one of a session.",
                   {"{{instance}}": of("slotmatch_bridged_frames")}),
            heat("Batch sizes", "Batches per size.", total("slotmatch_batch_size_bucket", "le"),
                 "none"),
        ]),
        ("Slots", [
            curves("Slot states sent", "To clients, so that their sessions can move.",
                   {"sent": total("slotmatch_session_states_sent_total")}, "ops"),
            curves("Slot states begun anew", "Not finite: a defect of weights or memory.",
                   {"{{reason}}": total("slotmatch_state_resets_total", "reason")}, "ops"),
            curves("Slot states brought along", "By what became of them.",
                   {"{{result}}": total("slotmatch_session_resumes_total", "result")}, "ops"),
        ]),
    ], SERVERS)


def sessions():
    return board("slotmatch-sessions", "SlotMatch: sessions", [
        ("Now", [
            stat("Open", "Sessions.", f"sum({of('slotmatch_sessions_active')})"),
            stat("Taken", "Share of all servers' places.",
                 f"sum({of('slotmatch_sessions_active')}) / "
                 f"sum({of('slotmatch_session_capacity')})", "percentunit",
                 (("green", None), ("orange", 0.7), ("red", 0.9)), 0),
            stat("Opened per minute", "Resumed ones included.",
                 f"60 * {total('slotmatch_sessions_opened_total')}", decimals=1),
            stat("Refused per minute", "Not admitted, for any reason.",
                 "60 * " + total("slotmatch_sessions_refused_total"),
                 steps=(("green", None), ("red", 0.1)), decimals=1),
            stat("Length p50", "Of sessions that ended.",
                 quantile(0.5, "slotmatch_session_duration_seconds"), "s"),
            stat("Resumes that failed", "Per minute.", "60 * " + total(
                "slotmatch_session_resumes_total", more='result!="ok"'),
                 steps=(("green", None), ("red", 0.1)), decimals=1),
        ]),
        ("Coming and going", [
            curves("Sessions", "Open ones, and the most admitted.",
                   {"{{instance}}": of("slotmatch_sessions_active"),
                    "capacity": f"sum({of('slotmatch_session_capacity')})"}),
            curves("Sessions opened and ended", "Ended ones by reason.",
                   {"opened": total("slotmatch_sessions_opened_total"),
                    "ended {{reason}}": total("slotmatch_sessions_closed_total", "reason")}, "ops"),
            curves("Session length", "Of sessions that ended.",
                   quantiles("slotmatch_session_duration_seconds", 0.5, 0.95), "s"),
        ]),
        ("Moving", [
            curves("Resumes", "Sessions that came with an earlier one's state.",
                   {"{{result}}": total("slotmatch_session_resumes_total", "result")}, "ops"),
            curves("Draining", "Servers that send their sessions away.",
                   {"{{instance}}": of("slotmatch_draining")}),
        ]),
        ("Overload", [
            curves("Load level", "0 normal, 1 larger batches, 2 bridged frames, 3 no new sessions.",
                   {"{{instance}}": of("slotmatch_load_level")}, most=3),
            curves("Sessions refused", "By reason.",
                   {"{{reason}}": total("slotmatch_sessions_refused_total", "reason")}, "ops"),
            curves("Reserved memory", "By the sessions that are open.",
                   {"{{instance}}": of("slotmatch_reserved_bytes")}, "bytes"),
        ]),
        ("Waiting", [
            curves("Dropped frames", "By the session's frame policy, or a drain.",
                   {"{{reason}}": total("slotmatch_frames_dropped_total", "reason")}, "reqps"),
            curves("Clients that do not read", "p95 of the wait for a client.",
                   {"write_wait": quantile(0.95, "slotmatch_frame_stage_duration_seconds",
                                           more='stage="write_wait"')}, "s"),
        ]),
    ], SERVERS)


def run_metric(metric):
    return of(metric, 'run=~"$run"')


def training():
    speed = f"deriv({run_metric('slotmatch_train_step')}[$__rate_interval])"
    return board("slotmatch-training", "SlotMatch: training", [
        ("Now", [
            stat("Step", "Of the run that is furthest.", f"max({run_metric('slotmatch_train_step')})"),
            stat("Done", "Share of the steps.",
                 f"max({run_metric('slotmatch_train_step')} / "
                 f"{run_metric('slotmatch_train_max_steps')})", "percentunit", decimals=0),
            stat("Steps per second", "Since the run's start.",
                 f"max({run_metric('slotmatch_train_steps_per_second')})", decimals=2),
            stat("Loss", "Weighted sum.", f"min({run_metric('slotmatch_train_total_loss')})",
                 decimals=4),
            stat("Data wait", "Share of the time that steps waited for data.",
                 f"max({run_metric('slotmatch_train_data_wait_ratio')})", "percentunit",
                 (("green", None), ("orange", 0.1), ("red", 0.3)), 0),
            stat("Last line", "Seconds since the run last wrote its numbers.",
                 f"time() - max({run_metric('slotmatch_train_written_timestamp_seconds')})", "s",
                 (("green", None), ("orange", 300), ("red", 1800)), 0),
        ]),
        ("Curves", [
            curves("Losses", "Each unweighted, as in losses.jsonl.",
                   {"{{run}} {{loss}}": run_metric("slotmatch_train_loss")}, least=None),
            curves("Total loss", "Weighted sum.",
                   {"{{run}}": run_metric("slotmatch_train_total_loss")}, least=None),
            curves("Gradient norm", "Before clipping.",
                   {"{{run}}": run_metric("slotmatch_train_gradient_norm")}),
            curves("Learning rate", "Of the step.",
                   {"{{run}}": run_metric("slotmatch_train_learning_rate")}, "sci"),
            curves("Steps per second", "Between scrapes.", {"{{run}}": speed}),
            curves("Data wait", "Share of the time that steps waited for data.",
                   {"{{run}}": run_metric("slotmatch_train_data_wait_ratio")}, "percentunit",
                   most=1),
        ]),
    ], RUNS)


def all_boards():
    """{file name without its end: dashboard}"""
    return {"service": service(), "models": models(), "sessions": sessions(),
            "training": training()}
