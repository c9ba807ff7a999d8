// swift-tools-version: 6.2
import PackageDescription

/// One place for the settings of every target.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0335-existential-any.md
    .enableUpcomingFeature("ExistentialAny"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0444-member-import-visibility.md
    .enableUpcomingFeature("MemberImportVisibility"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0409-access-level-on-imports.md
    .enableUpcomingFeature("InternalImportsByDefault"),
    // https://github.com/swiftlang/swift-evolution/blob/main/proposals/0443-warning-control-flags.md
    .treatAllWarnings(as: .error),
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// A room of the house: a folder under Sources/ with the rooms below it that it may import.
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.byName(name: name)] + dependencies, exclude: exclude,
        swiftSettings: settings)
}

let package = Package(
    name: "sparekey",
    // Exact, for a Package.resolved has no place in the repository; what these depend on themselves moves within its major version.
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

        // Pure values.
        room("Time", ["CLinux"]),
        room("JSON"),
        room("Policy", ["Time"]),
        room("Words", ["Time"]),

        // Each the only one that touches one outside thing.
        room("Crypto", ["CLinux", "COpenSSL"]),
        room("Signatures", ["Crypto"]),
        room("HTTPClient", ["CCurl", "Time"]),
        room("HTTPServer", ["CLinux", "Crypto"]),
        room(
            "Ledger",
            [
                "JSON", "Policy", "Time", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ]),
        room(
            "Settings",
            ["HTTPClient", "Policy", "Signatures", "Time", "Words", .product(name: "Yams", package: "Yams")]),

        room("Seam", ["HTTPClient", "JSON", "Policy", "Time"]),
        room("Failover", ["JSON", "Ledger", "Policy", "Seam", "Time", logging]),
        room("Delivery", ["CLinux", "HTTPClient", "JSON", "Ledger", "Policy", "Signatures", "Time", "Words", logging]),
        room(
            "Daemon",
            [
                "Crypto", "Delivery", "Failover", "HTTPClient", "HTTPServer", "JSON", "Ledger", "Policy",
                "Presentation", "Seam", "Settings", "Signatures", "Time", logging,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        room(
            "Checks",
            [
                "CLinux", "Crypto", "HTTPClient", "HTTPServer", "JSON", "Ledger", "Policy", "Seam", "Settings", "Time",
            ]),
        room(
            "Sandbox", ["Crypto", "HTTPClient", "HTTPServer", "JSON", "Signatures", "Time"]),
        room("Presentation", ["JSON", "Time"]),
        .executableTarget(
            name: "sparekey",
            dependencies: [
                "Checks", "Crypto", "Daemon", "Delivery", "HTTPClient", "JSON", "Ledger", "Policy", "Presentation",
                "Sandbox", "Seam", "Settings",
                "Time", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        .executableTarget(
            name: "bench-server", dependencies: ["HTTPServer", "Ledger", "Signatures", "Time"],
            path: "Benchmarks/BenchServer", swiftSettings: settings),

        tests("Time"),
        tests("JSON"),
        tests("Policy", ["Time"]),
        tests("Crypto", ["COpenSSL"]),
        tests("Signatures", ["Crypto"], exclude: ["Fixtures"]),
        .target(name: "ChildProcess", path: "Tests/ChildProcess", swiftSettings: settings),
        .target(name: "ScriptedServer", path: "Tests/ScriptedServer", swiftSettings: settings),
        tests("HTTPClient", ["ScriptedServer", "Time"]),
        tests("Seam", ["ScriptedServer", "HTTPClient", "JSON", "Policy", "Time"], exclude: ["Fixtures"]),
        tests(
            "Failover",
            [
                "HTTPClient", "JSON", "Ledger", "Sandbox", "Seam", "Time", logging,
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        tests("Sandbox", ["Crypto", "HTTPClient", "HTTPServer", "JSON", "Signatures", "Time"]),
        tests("Daemon", ["JSON", "Ledger", "Policy", "Time", logging, .product(name: "GRDB", package: "GRDB.swift")]),
        tests(
            "HTTPServer", ["ChildProcess", "COpenSSL", "Crypto", "HTTPClient", "Strictness", "Time"],
            exclude: ["Fixtures"]),
        .executableTarget(
            name: "parse-requests", dependencies: ["Strictness"], path: "Tests/parse-requests", swiftSettings: settings),
        .target(
            name: "Strictness", dependencies: ["HTTPServer", "JSON", "Seam", "Settings", "Signatures"],
            path: "Tests/Strictness", exclude: ["Seeds"], swiftSettings: settings),
        tests("Strictness", ["Time"]),
        tests("Settings", ["Words"], exclude: ["Fixtures"]),
        tests("Words", ["Time"]),
        tests("Checks", ["HTTPClient", "JSON", "Ledger", "Policy", "Sandbox", "Seam", "Settings", "Time"]),
        tests("Ledger", ["JSON", "Policy", "Time", .product(name: "GRDB", package: "GRDB.swift")]),
        tests("Presentation", ["JSON", "Time"]),
        .testTarget(
            name: "CommandTests", dependencies: ["sparekey", "ChildProcess", "JSON", "Ledger", "Policy", "Time"],
            swiftSettings: settings),
        tests(
            "Delivery",
            [
                "HTTPClient", "HTTPServer", "JSON", "Ledger", "Policy", "ScriptedServer", "Signatures", "Time", "Words",
                logging,
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .target(
            name: "Simulation",
            dependencies: [
                "Delivery", "Failover", "HTTPClient", "JSON", "Ledger", "Policy", "Sandbox", "Seam", "Signatures",
                "Time", "Words", logging, .product(name: "GRDB", package: "GRDB.swift"),
            ], path: "Tests/Simulation", swiftSettings: settings),
        .executableTarget(
            name: "simulate", dependencies: ["Simulation"], path: "Tests/simulate", swiftSettings: settings),
        tests("Simulation"),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Daemon", "HTTPClient", "HTTPServer", "JSON", "Ledger", "Policy", "Sandbox", "ScriptedServer",
                "Settings", "Signatures", "Time", logging,
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: settings),
    ]
)

// Only for `make fuzz`: it links with the fuzzer's library, which stays out of every other build.
if Context.environment["SPAREKEY_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["Strictness"], path: "Tests/fuzz",
            // libFuzzer's entry is a C function without a header.
            swiftSettings: settings + [.enableExperimentalFeature("Extern")]))
}
