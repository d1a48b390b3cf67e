"""The shortest schedules of storms that once failed, by what was fixed. Later code may reach other boundaries."""

KEPT = {
    "endpoints whose answers were lost one after the other are all deleted": (
        "240/1/1/0/0 0:accepted:0 1:Stripe:_slow_request:3178"
    ),
    "a run that waited takes the link that another run of the quote made meanwhile": (
        "354/1/1/2/1 0:accepted:0 151:Stripe:_slow_request:24017 272:installment_asked_for:44411"
    ),
    "a link whose answer was lost is closed when the invoice is paid meanwhile": (
        "992/2/1/0/0 0:accepted:0 1:accepted:1 74:death:22114 227:Stripe:_slow_request:104 409:time_passes:23749 "
        "454:paid_at_Stripe:56346"
    ),
    "a worker that slept before it took a quote takes it from nobody": (
        "1165/2/3/0/0 0:accepted:0 34:accepted:1 41:frozen_and_cut_off:34212"
    ),
    "of two corrections, the one that became final is put back": (
        "830/1/2/0/0 0:accepted:0 86:corrected:53859 181:Stripe:_lost_answer:5440 294:time_passes:8168 "
        "306:installment_asked_for:51238 388:corrected:31556"
    ),
    "a tax rate whose answer was lost is found by other quotes": (
        "593/4/2/0/0 18:accepted:1 34:accepted:3 93:Stripe:_internal_error_before:50838 587:Stripe:_slow_request:50984 "
        "921:Stripe:_slow_request:4549"
    ),
    "what a link brought and what was settled outside Stripe add up": (
        "5662345758840/2/1/0/0 0:accepted:0 233:link_paid:43052 376:webhook:58083 449:marked_as_paid:41181"
    ),
    "a quote cancelled twice in one second is taken back twice": (
        "7780455699110/1/3/1/0 0:accepted:0 57:Stripe:_still_at_work:49976 130:corrected:48728 "
        "211:cancelled:36549 258:corrected:4584 376:death:23632 414:cancelled:35561"
    ),
    "what a link brought that no webhook reports any more is not forgotten": (
        "7001/4/2/0/0 0:accepted:0 448:link_paid:26093 526:webhook_forged:59865 743:time_passes:15761 "
        "804:marked_as_paid:26692"
    ),
    "a link that is paid before its answer arrives closes the one that replaced it": (
        "14596/2/2/2/0 0:accepted:0 42:frozen_and_cut_off:52957 43:accepted:1 66:death:6150 "
        "278:Stripe:_internal_error_after:39002 450:link_paid:1753"
    ),
    "after an internal error, a worker that slept right before the same request sends it under the same key": (
        "6056572716558/1/3/0/0 0:accepted:0 75:Stripe:_internal_error_before:46824 292:webhook:63330 "
        "308:frozen_and_cut_off:53110"
    ),
    "the events of a voided invoice do not put it in the place of the new one": (
        "7912533101531/1/2/1/0 0:accepted:0 156:cancelled:64448 214:corrected:26629 219:death:3674 "
        "288:Stripe:_too_many_requests:2613 289:Stripe:_internal_error_after:55355"
    ),
    "an undelivered event about a link does not keep the upkeep from looking at the invoice": (
        "2306320183414/2/3/0/1 60:accepted:1 234:marked_as_paid:37918 336:time_passes:1979 425:webhook_forged:43570"
    ),
}
