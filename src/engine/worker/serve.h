// The worker's side: reads letters from the socket until the host closes it, and answers on channels.
#pragma once

namespace chorus::worker {

/// Comes back when the host is gone; the caller then ends the process without more.
void serve(int socket);

}  // namespace chorus::worker
