//! The routes about runs: one by one, many at once, and the index of their waits.

use px_api as api;

use crate::api::door::Door;
use crate::api::table::{EVENTS, Route, shape};
use crate::api::{bulk, explain, ids, late, rerun, run_list, runs, signals, start_run, waits, watch};

pub(super) fn about_runs() -> Vec<Route> {
    vec![
        Route::get("/brains/runs", Door::Read, run_list::list)
            .named("listRuns", "Runs, newest first, in pages")
            .query::<api::ListRuns>()
            .answers::<api::RunPage>(200, "The runs")
            .refuses(300, "Several brains could be meant")
            .refuses(404, "There is no such brain"),
        Route::post("/brains/runs", Door::Operate, start_run::start)
            .named("startRun", "Starts a run")
            .takes::<api::StartRun>()
            .answers::<api::StartedRun>(201, "It is started, durably")
            .answers::<api::StartedRun>(200, "It was started by this idempotency key before")
            .refuses(404, "There is no such brain")
            .refuses(409, "Several brains could be meant, or the idempotency key had another input")
            .refuses(422, "The state does not fit, or the webhookUrl may not be called"),
        Route::post("/brains/runs/rerun", Door::Operate, rerun::rerun)
            .named("rerunRun", "Sends a run that is over back to a step")
            .takes::<api::RerunRun>()
            .answers::<api::RestartedRun>(200, "It goes on from there")
            .refuses(404, "There is no such run")
            .refuses(409, "The run is not over, or did not come as far")
            .refuses(422, "The state of then does not fit any more, or the webhookUrl may not be called"),
        Route::get("/brains/runs/{id}", Door::Read, runs::show)
            .named("showRun", "A run, with its state and what it waits for, now or after one of its events")
            .query::<api::ShowRun>()
            .answers::<api::Run>(200, "The run"),
        Route::delete("/brains/runs/{id}", Door::Operate, runs::cancel)
            .named("cancelRun", "Cancels a run")
            .answers_nothing(204, "It is cancelled")
            .refuses(409, "It is over"),
        Route::get("/brains/runs/{id}/explain", Door::Read, explain::explain)
            .named("explainRun", "Why a run is where it is, in words, and what would move it")
            .answers::<api::Explained>(200, "The account"),
        Route::get("/brains/runs/{id}/diff", Door::Read, explain::diff)
            .named("diffRun", "The changes that a stretch of its log made to a run's state")
            .query::<api::DiffRun>()
            .answers::<api::StateDiff>(200, "The changes, a JSON patch"),
        Route::get("/brains/runs/{id}/events", Door::Read, runs::events)
            .named("runEvents", "The log of a run")
            .query::<api::RunEvents>()
            .answers::<api::Events>(200, "Its entries, oldest first"),
        Route::get("/brains/runs/{id}/watch", Door::Stream, watch::run)
            .named(
                "watchRun",
                "The log of a run as server-sent events: what there is, then what comes, to its end",
            )
            .answers_as(200, "The stream; `data` is an entry, `id` its seq", EVENTS, shape::<String>)
            .answers_nothing(204, "The run is over, and Last-Event-ID is its last entry"),
        Route::post("/brains/runs/{id}/resume", Door::Operate, runs::resume)
            .named("resumeRun", "Resumes a paused run")
            .may_take::<api::ResumeRun>()
            .answers::<api::Resumed>(202, "It goes on")
            .refuses(409, "It is not paused")
            .refuses(422, "The webhookUrl may not be called"),
        Route::post("/brains/runs/{id}/fork", Door::Operate, rerun::fork)
            .named("forkRun", "Starts a run from a step of another one, which stays as it is")
            .takes::<api::ForkRun>()
            .answers::<api::StartedRun>(201, "It is started, durably")
            .refuses(409, "The run did not come as far")
            .refuses(422, "The state does not fit, or the webhookUrl may not be called"),
        Route::post("/brains/runs/{id}/signals", Door::Operate, signals::send)
            .named("signalRun", "Sends a run a signal")
            .takes::<api::SignalRun>()
            .answers::<api::SignalTaken>(202, "It is taken")
            .refuses(409, "The run's status takes no such signal")
            .refuses(422, "The response fits nothing that the run waits for"),
    ]
}

pub(super) fn about_bulk() -> Vec<Route> {
    vec![
        Route::get("/bulk", Door::Read, bulk::list)
            .named("listBulk", "The jobs that do one thing with many runs")
            .answers::<api::BulkJobs>(200, "The jobs, newest first"),
        Route::post("/bulk", Door::Operate, bulk::start)
            .named("startBulk", "Does one thing with the runs that a filter has, or says what would be done")
            .takes::<api::StartBulk>()
            .answers::<api::BulkPreview>(200, "With dryRun: what would be done; nothing is")
            .answers::<api::BulkJob>(202, "The job is started, durably; its list is made")
            .refuses(403, "It is more than 10,000 runs, which takes the scope admin")
            .refuses(404, "There is no such brain")
            .refuses(409, "Several brains could be meant, it is more runs than atMost, or too many jobs run"),
        Route::get("/bulk/{id}", Door::Read, bulk::show)
            .named("showBulk", "A job, and how far it has come")
            .answers::<api::BulkJob>(200, "The job"),
        Route::delete("/bulk/{id}", Door::Operate, bulk::stop)
            .named("stopBulk", "Stops a job where it is; what it has done stays done")
            .answers::<api::BulkJob>(200, "The job, stopped")
            .refuses(409, "It is over"),
    ]
}

pub(super) fn about_waits() -> Vec<Route> {
    vec![
        Route::get("/waits", Door::Read, waits::list)
            .named("listWaits", "Who waits for what, by webhook and identifier, in pages")
            .query::<api::ListWaits>()
            .answers::<api::WaitPage>(200, "The keys at which somebody waits, or something is kept"),
        Route::get("/waits/due", Door::Read, waits::due)
            .named("listDue", "Deadlines, reminders and retries, soonest first, in pages")
            .query::<api::ListDue>()
            .answers::<api::DuePage>(200, "What is due"),
        Route::get("/waits/late", Door::Read, late::list)
            .named("listLate", "Waits that are older than their brain expects, in pages")
            .query::<api::ListLate>()
            .answers::<api::LatePage>(200, "The late waits"),
        Route::get("/ids", Door::Read, ids::find)
            .named("findIds", "The things whose ids end in some digits")
            .query::<api::FindIds>()
            .answers::<api::FoundIds>(200, "The things, newest first"),
    ]
}
