internal import Basics
internal import JobModel

/// Waiting for a store that another host schedules from.
enum PostgresStandby {
  /// Takes the lease; while another host has it, waits when `options` say so, for the end of the lease or word that it
  /// was given back. A server that goes away meanwhile is waited for as well.
  ///
  /// - Parameter connection: replaced when it breaks.
  static func take(
    _ connection: inout PostgresConnection, _ target: PostgresTarget, setup: String, _ options: PostgresStore.Options
  ) throws(StoreError) -> PostgresLease {
    var hasSaid = false
    while true {
      var wait = shortestWait
      do throws(StoreError) {
        if connection.isBroken { connection = try PostgresConnection(target, setup: setup) }
        // Before the first try: what is told after it is heard.
        if options.standsBy != nil { _ = try connection.ask("LISTEN \(PostgresSchema.channel)") }
        let lease = try PostgresLease.take(connection, target, length: options.lease, byForce: options.takesByForce)
        if options.standsBy != nil { _ = try connection.ask("UNLISTEN \(PostgresSchema.channel)") }
        return lease
      } catch {
        // Half a store is no host's to wait for.
        let isHeld = error.code == .locked && error != target.halfMoved
        guard let standsBy = options.standsBy, isHeld || hasSaid && connection.isBroken else { throw error }
        if !hasSaid { standsBy(said(connection, target)) }
        hasSaid = true
      }
      do throws(StoreError) {
        // Its end by the server's clock, and a moment more.
        if let holder = try PostgresLease.holder(connection) { wait = max(wait, holder.left + margin) }
        _ = try connection.awaitNotice(for: min(wait, options.lease))
      } catch {
        pause(wait)
      }
    }
  }

  private static func said(_ connection: PostgresConnection, _ target: PostgresTarget) -> String {
    var holder: PostgresLease.Holder?
    do throws(StoreError) { holder = try PostgresLease.holder(connection) } catch {}
    return "\(target.location): another host has it (\(holder?.description ?? "it has just started"))"
  }

  private static let shortestWait: Int64 = 100_000_000
  private static let margin: Int64 = 20_000_000

  /// With no server there is nothing that could wake anybody.
  private static func pause(_ nanoseconds: Int64) {
    let nothing = Monitor(())
    _ = nothing.wait(until: monotonicNow() + max(nanoseconds, 500_000_000)) { _ -> Void? in nil }
  }
}
