package import Chronology
package import JobModel

/// What the event stream carries: something that the scheduler did, and when.
package struct HostEvent: Sendable {
  package var at: Instant
  package var event: Event

  package init(_ event: Event, at: Instant) {
    self.event = event
    self.at = at
  }
}

package typealias EventJournal = Journal<HostEvent>

/// Lines that runs write, in the order in which they came.
package typealias LineJournal = Journal<RunLogLine>
