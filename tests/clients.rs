//! HTTP clients of a user's own: built without a provider of cryptography, as
//! `reqwest` with its default features off, they work wherever px runs. The only
//! test of this program, since a provider is one for a process.

use app as _;
use px::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Page {
    built: bool,
}

fn fetcher() -> Brain<Page> {
    brain("fetcher").step("build", build).build()
}
px::brain!(fetcher);

async fn build(_cx: Cx, _page: Page) -> Result<Next<Page>> {
    // Panics or fails where nobody has chosen a provider.
    reqwest::Client::builder().https_only(true).build()?;
    Ok(Next(Page { built: true }))
}

#[test]
fn a_client_without_a_provider_of_its_own_can_be_built_in_weather_and_in_a_world() {
    px::test::Weather::default().seeds(0).check(|w| {
        let run = w.start(fetcher, Page { built: false });
        w.calm();
        assert!(run.expect_complete().state::<Page>().built);
    });
    assert!(px::test::world().start(fetcher, Page { built: false }).expect_complete().state::<Page>().built);
}
