# Images for publishing, amd64 and arm64 in one; the rest is said in the compose files:
#   docker buildx bake -f compose/settings.yaml -f compose/uploader.yaml -f compose/downloader.yaml \
#     -f compose/s3_transfer.yaml -f compose/stream_processor.yaml -f images/docker-bake.hcl --push
# With WITH_KAFKACRYPTO=1 in front, those with encryption: …-crypto. (`make images` builds for this machine alone.)
group "default" { targets = ["uploader", "downloader", "s3_transfer", "stream_processor"] }
target "uploader" { platforms = ["linux/amd64", "linux/arm64"] }
target "downloader" { platforms = ["linux/amd64", "linux/arm64"] }
target "s3_transfer" { platforms = ["linux/amd64", "linux/arm64"] }
target "stream_processor" { platforms = ["linux/amd64", "linux/arm64"] }
