/**
 * What the request/response layer counts: for the console, the tests and the limits.
 *
 * @module
 */

/** Counters since the layer was made; they only grow. */
export interface RequestResponseCounters {
  requestsSent: number;
  requestsReceived: number;
  responsesReceived: number;
  /** Responses whose token belongs to no Exchange. */
  unmatchedResponses: number;
  /** Responses to requests that carried their state in their tokens and were too old, or came before (RFC 8974 §3.1). */
  staleTokens: number;
  /** Messages with a critical option nobody here knows (RFC 7252 §5.4.1). */
  badOptions: number;
  /** Options ignored because they are not as their definition says (RFC 7252 §5.4.3, §5.4.5). */
  ignoredOptions: number;
  /** Payloads of requests whose method has none, ignored (RFC 7252 §5.5). */
  ignoredPayloads: number;
  /** Requests with an elective option that is defined nowhere here: left to the application (RFC 7252 §5.4.1). */
  unknownOptions: number;
  /** Requests refused by themselves: an unknown method, an illegal value, a missing block, a block behind the end, … */
  refusedRequests: number;
  failedExchanges: number;
  /** Requests answered 5.03 because too many are with the application. */
  overloaded: number;
  /** Requests the application never answered. */
  abandonedRequests: number;
  /** Answers of the application for an Exchange that had ended. */
  lateAnswers: number;
  /** Request bodies dropped unfinished: gap, expiry, or to make room. */
  droppedRequestBodies: number;
  /** Request bodies refused as too large (4.13). */
  refusedRequestBodies: number;
  /** Response bodies dropped before their expiry, to make room. */
  evictedResponseBodies: number;
  /** Responses and notifications of which less went, or nothing yet, to an address that nothing proves (RFC 7252 §11.3). */
  limitedResponses: number;
  /** Requests answered 4.01 with an Echo, to be repeated with it (RFC 9175 §2.3). */
  echoesAsked: number;
  /** Own requests repeated with the Echo that a server asked for. */
  echoesRepeated: number;
  /** Notifications older than one already seen (RFC 7641 §3.4). */
  staleNotifications: number;
  /** Notifications whose body could not be fetched whole. */
  incompleteNotifications: number;
  /** Notifications of a body that had come just before, or was coming (the same ETag). */
  repeatedNotifications: number;
  reregistrations: number;
  notificationsSent: number;
  /** State changes that were skipped because a later one was sent instead. */
  conflatedNotifications: number;
  /** Registrations that were answered without Observe because a table was full. */
  refusedObservers: number;
  /** Observers removed by a Reset or a time-out. */
  lostObservers: number;
  /** Responses that the client did not want (RFC 7967). */
  unwantedResponses: number;
  /** Requests to a group that were passed over: no resource for groups, or a form that has no meaning there. */
  ignoredGroupRequests: number;
  /** Responses to a group that were not sent (RFC 7252 §8.2). */
  suppressedGroupResponses: number;
  /** Responses to a request of ours to a group that came after its window. */
  lateGroupResponses: number;
  /** Further responses of one device to a request of ours to a group, and those beyond the bound. */
  surplusGroupResponses: number;
  /** Responses to a request of ours to a group whose further blocks could not be fetched. */
  incompleteGroupResponses: number;
}

/** All counters at zero. */
export function createCounters(): RequestResponseCounters {
  return {
    requestsSent: 0,
    requestsReceived: 0,
    responsesReceived: 0,
    unmatchedResponses: 0,
    staleTokens: 0,
    badOptions: 0,
    ignoredOptions: 0,
    ignoredPayloads: 0,
    unknownOptions: 0,
    refusedRequests: 0,
    failedExchanges: 0,
    overloaded: 0,
    abandonedRequests: 0,
    lateAnswers: 0,
    droppedRequestBodies: 0,
    refusedRequestBodies: 0,
    evictedResponseBodies: 0,
    limitedResponses: 0,
    echoesAsked: 0,
    echoesRepeated: 0,
    staleNotifications: 0,
    incompleteNotifications: 0,
    repeatedNotifications: 0,
    reregistrations: 0,
    notificationsSent: 0,
    conflatedNotifications: 0,
    refusedObservers: 0,
    lostObservers: 0,
    unwantedResponses: 0,
    ignoredGroupRequests: 0,
    suppressedGroupResponses: 0,
    lateGroupResponses: 0,
    surplusGroupResponses: 0,
    incompleteGroupResponses: 0,
  };
}
