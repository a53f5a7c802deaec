// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is built the same way: Swift 6 language mode, warnings are errors, and strict memory safety, so
/// that the word `unsafe` marks each line that needs an argument.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .treatAllWarnings(as: .error),
]

/// C is held to the same: no warnings.
let strictC: [CSetting] = [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)]

/// A library target; arrows point down only (docs/architecture.md).
func library(
  _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [], resources: [Resource] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: exclude, resources: resources, swiftSettings: strict)
}

/// A program of examples/swift.
func example(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: ["MoondialScheduler"] + dependencies, path: "examples/swift/" + name,
    swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
}

/// Tests of one target, or of several together.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource] = [])
  -> Target
{
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude, resources: resources, swiftSettings: strict)
}

let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let deques: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let hummingbird: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
  .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
  .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
]
/// Left out by programs that embed Moondial without their traits.
let postgres: Target.Dependency = .target(name: "PostgresStore", condition: .when(traits: ["PostgreSQL"]))
let mongo: Target.Dependency = .target(name: "MongoStore", condition: .when(traits: ["MongoDB"]))
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "moondial",
  products: [
    .executable(name: "moondial", targets: ["moondial"]),
    .library(name: "MoondialScheduler", targets: ["MoondialScheduler"]),
    .library(name: "MoondialHTTP", targets: ["MoondialHTTP"]),
    .library(name: "MoondialService", targets: ["MoondialService"]),
    .library(name: "MoondialTesting", targets: ["MoondialTesting"]),
  ],
  traits: [
    .trait(name: "PostgreSQL", description: "Stores in PostgreSQL databases. Needs libpq-dev."),
    .trait(name: "MongoDB", description: "Stores in MongoDB databases. Needs libmongoc-dev."),
    .default(enabledTraits: ["PostgreSQL", "MongoDB"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // Lua, from the bottom up.
    .systemLibrary(name: "CLua", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev"])]),
    .target(
      name: "CLuaShim", dependencies: ["CLinux", "CLua", "CDigest", "CFloatText"],
      cSettings: strictC + [".", "capsule", "image"].map { .headerSearchPath($0) }),
    library("Lua", ["CLuaShim"]),

    // libcurl, for HTTP and mail.
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),

    // libpq, the client library of PostgreSQL.
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    // SHA-256 and other digests.
    .target(name: "CDigest", cSettings: strictC),

    // Numbers as text: the C++ library has the algorithms, and Swift links it anyway.
    .target(name: "CFloatText"),

    // MongoDB: commands as bytes over libmongoc, which is loaded when it is first needed; what is linked is libbson.
    .systemLibrary(name: "CMongo", pkgConfig: "libbson-1.0", providers: [.apt(["libmongoc-dev"])]),
    .target(name: "CMongoShim", dependencies: ["CMongo"], cSettings: strictC),

    // The Linux calls that Swift's Glibc module leaves out.
    .target(name: "CLinux", cSettings: strictC),

    // Threads, collections, text: what every room stands on.
    library("Basics", ["CLinux"]),

    // HTTP as a client.
    library("HTTPTransfer", ["Basics", "CCurl", "CZlib"]),

    // Time and schedules: pure.
    library("Chronology", ["Basics"]),
    library("Triggers", ["Basics", "Chronology"]),
    library("JobModel", ["Basics", "Chronology", "Triggers"]),
    library("Scheduling", ["Basics", "Chronology", "Triggers", "JobModel"]),

    // Crontabs and systemd timers as job scripts: pure.
    library("Importing", ["Basics", "Chronology", "Triggers"]),

    // What keeps and what runs.
    library("StoreSupport", ["CLinux", "Basics", "Chronology", "JobModel"]),
    library("MemoryStore", ["Basics", "Chronology", "JobModel"]),
    library("SQLiteStore", ["StoreSupport", "Basics", "Chronology", "JobModel", grdb]),
    library("PostgresStore", ["StoreSupport", "CPostgres", "Basics", "Chronology", "JobModel"]),
    library("MongoStore", ["StoreSupport", "CMongoShim", "CDigest", "Basics", "Chronology", "JobModel"]),
    library("Executors", ["Basics", "Chronology", "JobModel", deques]),

    // Files, the scripts in them, and what runs these.
    library("FileWatching", ["CDigest", "CLinux", "Basics", "Chronology", "Triggers", "JobModel"]),
    library(
      "ScriptRuntime",
      [
        "FileWatching", "Lua", "CLinux", "Basics", "Chronology", "Triggers", "JobModel",
        "Executors",
      ]),
    library(
      "ScriptLoading",
      [
        "ScriptRuntime", "FileWatching", "Lua", "Basics", "Chronology", "Triggers", "JobModel",
      ]),
    library(
      "HostModules",
      [
        "ScriptRuntime", "ScriptLoading", "FileWatching", "HTTPTransfer", "Lua", "CLinux", "Basics", "Chronology",
        "Triggers",
        "JobModel",
        "Executors", grdb,
      ]),

    // Scripts in processes of their own: what both sides say, the side of the child, the side of the host.
    library("ProcessFrames", ["ScriptRuntime", "Basics", "Chronology", "Triggers", "JobModel"]),
    library(
      "ProcessWorker",
      [
        "ProcessFrames", "HostModules", "ScriptLoading", "ScriptRuntime", "FileWatching", "Lua", "CLinux", "Executors",
        "Basics", "Chronology", "Triggers", "JobModel",
      ]),
    library(
      "ProcessExecutor",
      [
        "ProcessFrames", "ScriptRuntime", "FileWatching", "Lua", "CLinux", "Basics", "Chronology", "Triggers",
        "JobModel",
      ]),

    library(
      "SchedulerService",
      [
        "CLinux", "Basics", "Chronology", "Triggers", "JobModel",
        "Scheduling",
      ]),

    // The wiring that the command and the library share.
    library(
      "Hosting",
      [
        "CLinux", "Basics", "Chronology", "Triggers", "Lua", "JobModel", "MemoryStore", "SQLiteStore",
        "Executors", "Scheduling", "FileWatching", postgres, mongo,
        "ScriptRuntime", "ScriptLoading", "HostModules", "ProcessExecutor", "ProcessFrames",
        "SchedulerService", deques,
      ]),

    // Tests of scripts: a host for each under a virtual clock.
    library(
      "ScriptTesting",
      [
        "Basics", "Chronology", "Triggers", "Lua", "JobModel", "MemoryStore", "Executors", "Scheduling",
        "FileWatching", "ScriptRuntime", "ScriptLoading", "HostModules", "SchedulerService", "Hosting",
      ]),

    // A running host over HTTP.
    library(
      "HostAPI",
      ["Hosting", "FileWatching", "JobModel", "Chronology", "Basics", "CLinux", hummingbird, httpTypes, logging] + nio,
      // A part of the binary, so that it goes wherever the binary goes.
      resources: [.embedInCode("Dashboard/Page")]),

    // Asking a running host.
    library("HostClient", ["CCurl", "Basics"]),

    // What programs embed.
    library(
      "MoondialScheduler",
      [
        "Basics", "Chronology", "Triggers", "Lua", "JobModel", "Executors", "Scheduling",
        "FileWatching",
        "ScriptRuntime", "ScriptLoading", "HostModules",
        "SchedulerService",
        "Hosting", deques,
      ]),
    library("MoondialService", ["MoondialScheduler", lifecycle, logging]),
    library("MoondialHTTP", ["MoondialScheduler", "HostAPI", "Hosting", "JobModel", "ScriptLoading"]),
    example("Background"), example("Blocking"), example("Skipped"), example("TwoInstances"), example("ManyThreads"),
    example("AsyncService", ["MoondialService", lifecycle, logging]),

    .executableTarget(
      name: "moondial",
      dependencies: [
        "CLinux", "Basics", "Chronology", "Triggers", "Lua", "JobModel", "Executors",
        "Scheduling", "FileWatching",
        "ScriptRuntime", "ScriptLoading", "HostModules",
        "SchedulerService",
        "Hosting", "HostAPI", "HostClient", "Importing", "ProcessWorker", "ProcessExecutor", "ScriptTesting", arguments,
      ],
      swiftSettings: strict),

    .executableTarget(name: "Benchmarks", dependencies: ["Lua"], swiftSettings: strict),

    // Proofs.
    library("TestSupport", ["Basics", "Chronology"]),
    .target(name: "HTTPFixtures", path: "Tests/HTTPFixtures", swiftSettings: strict),
    .target(
      name: "ScriptFixtures",
      dependencies: [
        "HostModules", "ScriptLoading", "ScriptRuntime", "FileWatching", "Lua", "Executors", "JobModel", "Triggers",
        "Basics", "Chronology", "TestSupport", "HTTPTransfer", "ProcessExecutor", "ProcessFrames", "CLinux",
      ], path: "Tests/ScriptFixtures", swiftSettings: strict),
    library(
      "MoondialTesting",
      [
        "TestSupport", "Basics", "MoondialScheduler", "Hosting", "Chronology", "Triggers", "JobModel", "MemoryStore",
        "Executors",
        "Scheduling",
        "SchedulerService",
      ]),
    tests(
      "MoondialSchedulerTests",
      [
        "MoondialScheduler", "MoondialTesting", "MoondialService", "TestSupport", "Hosting", "FileWatching",
        "ScriptRuntime",
        "Lua", "Scheduling", "SchedulerService", "ScriptLoading", "HostModules", "MemoryStore", "JobModel", "Triggers",
        "Basics", "Chronology",
        lifecycle, logging, "Background", "Blocking", "Skipped", "TwoInstances", "ManyThreads", "AsyncService",
      ]),
    // A server for the tests of what asks others.
    .target(name: "LoopbackHTTP", path: "Tests/LoopbackHTTP", swiftSettings: strict),
    tests("HTTPTransferTests", ["HTTPTransfer", "LoopbackHTTP", "Basics"]),
    tests("BasicsTests", ["Basics", "TestSupport"]),
    tests("ChronologyTests", ["Basics", "Chronology", "TestSupport"]),
    tests("TriggersTests", ["Triggers", "Basics", "Chronology", "TestSupport"]),
    tests("ImportingTests", ["Importing", "Triggers", "Chronology"]),
    tests("LuaTests", ["Lua", "CLuaShim", "Basics", "TestSupport"]),
    tests(
      "MoondialHTTPTests",
      ["MoondialHTTP", "MoondialScheduler", "HostClient", "Hosting", "JobModel", "TestSupport"]),
    tests(
      "SchedulingTests",
      ["Scheduling", "JobModel", "Basics", "Chronology", "Triggers", "TestSupport"]),
    tests(
      "SchedulerServiceTests",
      [
        "SchedulerService", "Scheduling", "JobModel", "MemoryStore", "Executors", "Basics", "Chronology",
        "Triggers", "TestSupport",
      ]),
    tests("SimulationTests", ["MoondialTesting", "JobModel", "Chronology"]),
    // Tells many stories of the simulator in a release build (make simulate-seeds).
    .executableTarget(name: "Stories", dependencies: ["MoondialTesting"], path: "Tests/Stories", swiftSettings: strict),
    tests(
      "SQLiteStoreTests",
      [
        "StoreSupport", "MemoryStore", "SQLiteStore", "JobModel", "Basics", "Chronology", "Triggers", "MoondialTesting",
        "TestSupport", grdb,
      ]),
    // A PostgreSQL server of the tests' own.
    .target(
      name: "PostgresFixture", dependencies: ["TestSupport"], path: "Tests/PostgresFixture",
      swiftSettings: strict),
    tests(
      "PostgresStoreTests",
      [
        "PostgresFixture", "PostgresStore", "StoreSupport", "JobModel", "Basics", "Chronology", "MoondialTesting",
        "TestSupport",
      ]),
    // A mongod for tests.
    .target(name: "MongoFixtures", path: "Tests/MongoFixtures", swiftSettings: [.swiftLanguageMode(.v6)]),
    tests(
      "MongoStoreTests",
      [
        "MongoStore", "MongoFixtures", "Hosting", "JobModel", "Basics", "Chronology", "Triggers", "MoondialTesting",
        "StoreSupport", "TestSupport",
      ]),
    tests(
      "ConformanceTests",
      ["MemoryStore", "Executors", "JobModel", "MoondialScheduler", "MoondialTesting", "TestSupport"]),
    tests("ExecutorsTests", ["Executors", "JobModel", "Basics", "Chronology", "Triggers", "TestSupport"]),
    tests(
      "FileWatchingTests",
      ["FileWatching", "ScriptLoading", "Executors", "JobModel", "Basics", "Chronology", "TestSupport"]),
    tests(
      "ScriptRuntimeTests",
      [
        "moondial", "ScriptRuntime", "FileWatching", "ScriptLoading", "HostModules", "Lua", "Executors", "JobModel",
        "MemoryStore", "SchedulerService", "Basics", "Chronology", "ScriptFixtures", "TestSupport", "MoondialTesting",
      ]),
    tests(
      "ScriptLoadingTests",
      [
        "ScriptLoading", "ScriptRuntime", "FileWatching", "HostModules", "Importing", "Lua", "JobModel", "Basics",
        "Chronology", "Triggers", "ScriptFixtures", "TestSupport",
      ]),
    tests(
      "HostModulesTests",
      [
        "moondial", "HostModules", "ScriptLoading", "ScriptRuntime", "FileWatching", "Lua", "Executors", "JobModel",
        "MemoryStore", "HTTPTransfer", "LoopbackHTTP", "Basics", "Chronology", "ScriptFixtures", "TestSupport",
      ]),
    tests(
      "ProcessExecutorTests",
      [
        "moondial", "ProcessExecutor", "ProcessFrames", "CLinux", "HostModules", "ScriptLoading", "ScriptRuntime",
        "FileWatching", "Triggers",
        "Lua", "Executors", "JobModel", "Basics", "Chronology", "ScriptFixtures", "TestSupport", "MoondialTesting",
      ]),
    tests(
      "HostingTests",
      [
        "Hosting", "JobModel", "MemoryStore", "SQLiteStore", "Scheduling", "SchedulerService", "ScriptLoading",
        "ScriptRuntime", "MoondialTesting", "Executors", "Basics", "Chronology", "Triggers", "TestSupport",
      ]),
    tests(
      "HostAPITests",
      [
        "HostAPI", "Hosting", "FileWatching", "JobModel", "Chronology", "Basics", "HTTPFixtures", httpTypes,
      ] + nio),
    // The checkout as texts: what the compiler does not hold.
    tests("TidyTests", []),
    // The binary as its users run it.
    tests(
      "EndToEndTests",
      [
        "moondial", "Hosting", "ScriptLoading", "MemoryStore", "JobModel", "CLinux", "Basics", "Chronology",
        "TestSupport", "LoopbackHTTP", "HTTPFixtures", "MongoFixtures", "PostgresFixture", "ProcessFrames",
        "ScriptFixtures", "HostModules", arguments,
      ]),
  ],
  cxxLanguageStandard: .cxx17
)
