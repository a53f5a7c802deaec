import JobModel
import Testing

@testable import Hosting

@Suite("Stores that a program was built without")
struct LeftOutStoreTests {
  @Test("an address of one is one sentence, which names the trait and no part of the address")
  func sentence() {
    let kinds = StoreKinds([
      LeftOutStore("PostgreSQL", "postgres://USER@HOST/DATABASE", ["postgres", "postgresql"]),
      LeftOutStore("MongoDB", "mongodb://HOST/DATABASE", ["mongodb", "mongodb+srv"]),
    ])
    for (text, trait) in [
      ("postgres://ann:sesame@db/jobs", "PostgreSQL"), ("mongodb+srv://ann:sesame@db/jobs", "MongoDB"),
    ] {
      for access in [StoreAccess.scheduler, .reader, .transfer] {
        let address = StoreAddress(text)
        do throws(StoreError) {
          _ = try kinds.open(address, StoreRequest(access))
          Issue.record("it was opened")
        } catch {
          #expect(error.code == .unsupported)
          #expect(
            error.message == "\(address.scheme): this program was built without \(trait): build it with the package "
              + "trait \(trait), or use sqlite:FILE or memory")
        }
      }
    }
  }

  @Test("the program that is tested was built with all of them")
  func all() {
    for text in ["postgres://h/d", "mongodb://h/d"] {
      #expect(!(StoreKinds.standard.driver(of: StoreAddress(text)) is LeftOutStore))
    }
  }
}
