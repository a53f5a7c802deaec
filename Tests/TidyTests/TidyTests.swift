import Testing

@Suite("The house is tidy")
struct TidyTests {
  private let tidy: Tidy
  init() throws { tidy = Tidy(try SourceTree.checkout.get()) }

  @Test("the manifest and the table are read")
  func reading() {
    #expect(tidy.manifest.targets.count > 30 && tidy.table.order.count > 20)
    #expect(tidy.manifest.targets["SQLiteStore"]?.dependencies.contains("GRDB") == true)
    #expect(tidy.manifest.targets["Scheduling"]?.dependencies.contains("JobModel") == true)
    #expect(tidy.tree.swiftFiles(below: "Sources/JobModel").count > 10)
  }

  @Test("every import is a direct dependency") func imports() { #expect(tidy.importsThatAreNoDependency() == []) }
  @Test("the core needs no Foundation") func foundation() { #expect(tidy.foundationInTheCore() == []) }
  @Test("docs/architecture.md shows the targets of Package.swift") func table() { #expect(tidy.tableDiffers() == []) }
  @Test("arrows between targets point down") func arrows() { #expect(tidy.arrowsThatPointUp() == []) }
  @Test("folders of a target use each other in no circle") func folders() { #expect(tidy.folderCycles() == []) }
  @Test("sources have at most 300 lines") func sizes() { #expect(tidy.longSources() == []) }
  @Test("lines have at most 120 columns") func lines() { #expect(tidy.longLines() == []) }
  @Test("a folder of sources has at most 40 files") func crowds() { #expect(tidy.crowdedFolders() == []) }
  @Test("docs/architecture.md names the rooms") func rooms() { #expect(tidy.roomsDiffer() == []) }
  @Test("links lead somewhere") func links() { #expect(tidy.deadLinks() == []) }
  @Test("files, suites and targets of make that pages name are there") func names() { #expect(tidy.deadNames() == []) }
  @Test("stores are named in one place") func stores() { #expect(tidy.storesThatAreNamed() == []) }

  /// A house with one fault of each kind.
  private static let planted = Tidy(
    SourceTree(
      files: [
        "Package.swift": """
        let package = Package(
          targets: [
            library("Basics"),
            library("JobModel", ["Basics", "Hosting"]),
            library("Hosting", ["Basics"]),
            library("Attic", ["JobModel"]),
          ]
        )
        """,
        "docs/architecture.md": """
        | target | owns | imports |
        |---|---|---|
        | `Basics` | threads | – |
        | `JobModel` | values | Basics |
        | `Hosting` | wiring | JobModel |

        See [words](glossary.md#words), [none](none.md), [here](#there), `make cake`, `Sources/Cellar` and `CakeTests`.

        | room of `JobModel` | has |
        |---|---|
        | `A/` | one |
        | `C/` | three |

        """,
        "docs/glossary.md": "# Words\n",
        "Sources/Basics/Text.swift": "import Foundation\n",
        "Sources/JobModel/A/One.swift": "struct One { var two: Two? }\n",
        "Sources/JobModel/B/Two.swift": "import Chronology\nstruct Two { var ones: [One] }\n",
        "Sources/Hosting/Long.swift":
          "// " + String(repeating: "x", count: 118) + "\nimport SQLite" + "Store\n"
          + String(repeating: "\n", count: 300),
      ].merging((1...41).map { ("Sources/Attic/\($0).swift", "") }) { $1 }))

  @Test("each rule finds a fault that is planted")
  func findings() {
    let tidy = Self.planted
    #expect(
      tidy.importsThatAreNoDependency().contains(
        "Sources/JobModel/B/Two.swift imports Chronology, which is no direct dependency of JobModel in Package.swift"))
    #expect(tidy.foundationInTheCore().count == 1)
    let table = tidy.tableDiffers()
    #expect(table.contains("docs/architecture.md has no row for the target Attic"))
    #expect(table.contains("docs/architecture.md says that Hosting imports JobModel; Package.swift does not"))
    #expect(
      table.contains("JobModel depends on Hosting, which its row in docs/architecture.md does not name"))
    #expect(
      tidy.arrowsThatPointUp() == [
        "JobModel depends on Hosting, whose row in docs/architecture.md is below its own"
      ])
    #expect(tidy.folderCycles() == ["JobModel: the folders A, B use each other"])
    #expect(tidy.deadLinks().map { $0.contains("none.md") } == [true, false] && tidy.deadNames().count == 3)
    #expect(
      tidy.roomsDiffer() == [
        "docs/architecture.md has no row for the room B of JobModel",
        "docs/architecture.md has a row for C, no room of JobModel",
      ])
    #expect(tidy.crowdedFolders().count == 1)
    #expect(tidy.longSources().count == 1 && tidy.longLines().count == 1 && tidy.storesThatAreNamed().count == 1)
  }
}
