//! The program: everything is in the library.

fn main() -> std::process::ExitCode {
    ombud::cli::main()
}
