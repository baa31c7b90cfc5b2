//! The desk's px: `cargo run -p order-desk -- serve`.

use order_desk::outside::Outside;

fn main() -> std::process::ExitCode {
    px::app().provide(Outside::connect).main()
}
