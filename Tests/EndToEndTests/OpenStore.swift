import Chronology
import Hosting
import JobModel

/// The store in a file, or of an address, as a host or a command opens it.
func openStore(
  _ path: String, _ access: StoreAccess = .scheduler, clock: any WallClock = SystemWallClock()
) throws -> any JobStore {
  var request = StoreRequest(access)
  request.clock = clock
  return try StoreKinds.standard.open(StoreKinds.standard.address(ofFile: path), request)
}

/// What a store says of itself that is known to be able to.
func examination(of store: any JobStore) throws -> StoreReport { try (store as! any DiagnosableStore).doctor() }
