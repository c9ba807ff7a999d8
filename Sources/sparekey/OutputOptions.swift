internal import ArgumentParser
internal import FoundationEssentials
internal import Presentation

/// The options of every command that prints a list.
struct OutputOptions: ParsableArguments {
    @Option(help: "How to print the result: table, json or csv.")
    var format = OutputFormat.table

    @Flag(name: .customLong("show-pins"), help: "Print PINs instead of masking them.")
    var showsPINs = false

    var width: Int { Terminal.width(environment: ProcessInfo.processInfo.environment) }
}

extension OutputFormat: ExpressibleByArgument {}
