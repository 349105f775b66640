#!/bin/sh
echo "hello from the archive"
